// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Stands for an error thrown in another process whose type is not `Codable`, or is not known here.
///
/// It has no backtrace: Swift's errors know nothing of where they were thrown. A crash does, see
/// ``ProcessTermination/backtrace``.
public struct RemoteError: ErrorStandIn, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The name of the error's type.
    public let typeName: String
    /// How the error described itself.
    public let message: String
    /// The process it was thrown in; 0 when that is not known.
    public let processID: Int

    /// Reads as `typeName: message (in process n)`.
    public var description: String { "\(typeName): \(message) (in process \(processID))" }
}
