// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Numbers the transactions of a namespace: 0 before the first, then one more for each that changed something.
public struct Revision: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    /// The number.
    public let number: UInt64

    /// Makes a revision of its number.
    public init(_ number: UInt64) { self.number = number }

    /// The state before any transaction: empty.
    public static let zero = Revision(0)

    /// The revision after this one; the last number there is, which no transaction reaches, has none.
    package var next: Revision { Revision(number == .max ? .max : number + 1) }

    /// The revision before this one; zero has none.
    package var previous: Revision { Revision(number == 0 ? 0 : number - 1) }

    /// Earlier revisions are smaller.
    public static func < (left: Revision, right: Revision) -> Bool { left.number < right.number }

    /// Reads the number.
    public init(from decoder: any Decoder) throws {
        number = try decoder.singleValueContainer().decode(UInt64.self)
    }

    /// Writes the number.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }

    /// The number.
    public var description: String { String(number) }
}
