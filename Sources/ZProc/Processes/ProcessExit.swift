// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Thrown by a body that reacts to changes to say that it is done.
public struct ProcessExit: Error, Hashable, Sendable, Codable {
    /// Makes one.
    public init() {}
}
