// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Thrown by a body to end its process in order, with a status.
///
/// With status 0, a body that returns nothing has returned, and one that reacts to changes is done. Otherwise it is what
/// waiting for the body's value throws. It is never retried.
public struct ProcessExit: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The status that the process ends with.
    public let code: UInt8

    /// Makes one.
    public init(code: UInt8 = 0) { self.code = code }

    /// One line.
    public var description: String { "the body ended its process with status \(code)" }
}

/// A process, or a body on `.threads`, cannot be controlled that way.
///
/// Nothing was done.
public struct ProcessControlError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// What cannot be done, and what can.
    public let message: String

    init(_ message: String) { self.message = message }

    /// The message.
    public var description: String { message }
}
