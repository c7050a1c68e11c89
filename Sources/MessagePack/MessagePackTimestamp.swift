// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// A moment as MessagePack's timestamp extension holds it: seconds and nanoseconds since 1970-01-01T00:00:00Z.
///
/// Written in the smallest of the three forms (32, 64 or 96 bits). The nanoseconds always count forwards, so half a
/// second before 1970 is second -1 and 500,000,000 nanoseconds.
public struct MessagePackTimestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Whole seconds since 1970, negative before it.
    public let seconds: Int64
    /// Nanoseconds after `seconds`, from 0 to 999,999,999.
    public let nanoseconds: UInt32

    /// Makes a moment from whole seconds and the nanoseconds after them.
    ///
    /// - Precondition: `nanoseconds` is below a billion.
    public init(seconds: Int64, nanoseconds: UInt32 = 0) {
        precondition(nanoseconds < 1_000_000_000, "A timestamp holds at most 999,999,999 nanoseconds.")
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// Makes the moment nearest to a date, to the nanosecond; nil when the date is not finite or too far away.
    public init?(_ date: Date) {
        // The date counts from 2001; splitting that number, not one rebased to 1970, keeps every bit of it.
        let interval = date.timeIntervalSinceReferenceDate
        let whole = interval.rounded(.down)
        guard let base = Int64(exactly: whole) else { return nil }
        var nanoseconds = UInt32(((interval - whole) * 1_000_000_000).rounded())
        var (seconds, overflow) = base.addingReportingOverflow(Self.referenceSeconds)
        if overflow { return nil }
        if nanoseconds == 1_000_000_000 {
            nanoseconds = 0
            (seconds, overflow) = seconds.addingReportingOverflow(1)
            if overflow { return nil }
        }
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// The date nearest to this moment.
    public var date: Date {
        // A sum in Double would lose the low bits of seconds beyond 2^53; those are billions of years away.
        let whole = seconds.subtractingReportingOverflow(Self.referenceSeconds)
        let base = whole.overflow ? Double(seconds) - Double(Self.referenceSeconds) : Double(whole.partialValue)
        return Date(timeIntervalSinceReferenceDate: base + Double(nanoseconds) / 1_000_000_000)
    }

    /// Whether one moment is before another.
    public static func < (a: MessagePackTimestamp, b: MessagePackTimestamp) -> Bool {
        (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
    }

    /// The seconds since 1970 with nine decimals, such as `1.500000000s`; a moment before 1970 counts forwards.
    public var description: String {
        let digits = String(nanoseconds)
        return "\(seconds).\(String(repeating: "0", count: 9 - digits.count))\(digits)s"
    }

    /// Seconds from 1970 to 2001-01-01T00:00:00Z, where `Date` counts from.
    private static let referenceSeconds: Int64 = 978_307_200
}

extension MessagePackTimestamp: Codable {
    private enum CodingKeys: CodingKey { case seconds, nanoseconds }

    /// Reads seconds and nanoseconds from another format; a MessagePack decoder reads the extension itself.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let nanoseconds = try container.decode(UInt32.self, forKey: .nanoseconds)
        guard nanoseconds < 1_000_000_000 else {
            throw DecodingError.dataCorruptedError(
                forKey: .nanoseconds,
                in: container,
                debugDescription: "A timestamp holds at most 999,999,999 nanoseconds, not \(nanoseconds)."
            )
        }
        self.init(seconds: try container.decode(Int64.self, forKey: .seconds), nanoseconds: nanoseconds)
    }

    /// Writes seconds and nanoseconds into another format; a MessagePack encoder writes the extension itself.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(seconds, forKey: .seconds)
        try container.encode(nanoseconds, forKey: .nanoseconds)
    }
}
