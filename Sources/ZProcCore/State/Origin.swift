// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Tells who made a change: the handle it was made through.
///
/// A handle keeps its origin when it is copied or travels to another process; `fork()` gives a handle with a new one.
public struct Origin: Hashable, Sendable, Codable, CustomStringConvertible {
    package let number: UInt64

    package init(number: UInt64) { self.number = number }

    /// An origin that nothing else has.
    package static func random() -> Origin { Origin(number: .random(in: 1...UInt64.max)) }

    /// Reads the number.
    public init(from decoder: any Decoder) throws {
        number = try decoder.singleValueContainer().decode(UInt64.self)
    }

    /// Writes the number.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }

    /// The number, in hexadecimal.
    public var description: String { String(number, radix: 16) }
}
