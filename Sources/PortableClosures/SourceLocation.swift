// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A line of source code, for errors that point at their cause.
public struct SourceLocation: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Module and file, as `#fileID` gives them.
    public let fileID: String
    /// The line, from 1.
    public let line: Int

    /// Makes the location of the caller unless told another.
    public init(fileID: String = #fileID, line: Int = #line) {
        self.fileID = fileID
        self.line = line
    }

    /// Reads as `Module/File.swift:12`.
    public var description: String { "\(fileID):\(line)" }
}
