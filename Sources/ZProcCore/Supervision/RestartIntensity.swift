// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// How many restarts a supervisor makes within a period before it gives up.
///
/// An end that leads to restarts counts once, however many children are started again; so does each failed attempt to
/// start one again. Restarts exactly one period apart are still within it.
public struct RestartIntensity: Hashable, Sendable, Codable {
    /// The most restarts within a period; with 0, the first that is needed is too many.
    ///
    /// Negative numbers become 0.
    public var maximumRestarts: Int { didSet { maximumRestarts = max(0, maximumRestarts) } }
    /// How long a restart counts.
    ///
    /// Negative durations become zero.
    public var period: Duration { didSet { period = max(.zero, period) } }

    /// Makes an intensity.
    ///
    /// - Parameters:
    ///   - maximumRestarts: the most restarts within the period.
    ///   - period: how long a restart counts.
    public init(_ maximumRestarts: Int = 1, within period: Duration = .seconds(5)) {
        self.maximumRestarts = max(0, maximumRestarts)
        self.period = max(.zero, period)
    }

    /// Reads what `encode(to:)` wrote; negative numbers become 0 here, too.
    ///
    /// - Parameter decoder: where to read from.
    /// - Throws: what the decoder throws.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            try values.decode(Int.self, forKey: .maximumRestarts),
            within: try values.decode(Duration.self, forKey: .period)
        )
    }
}
