// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Measures two sides in turns, so that whatever else the machine does happens to both.
struct Turns: Sendable {
    /// How often each side gets its turn.
    static let rounds = 5

    /// How long one turn is.
    let span: Nanoseconds

    /// Divides `seconds` among all turns of both sides.
    init(seconds: Double) {
        span = max(1, Nanoseconds(seconds * 1e9 / Double(2 * Self.rounds)))
    }

    /// Runs both sides in turns; each first warms up for a part of a turn that does not count.
    func alternate(
        reference: (Nanoseconds) async throws -> Samples,
        ours: (Nanoseconds) async throws -> Samples
    ) async throws -> Figures {
        let warmUp = max(1, span / 4)
        _ = try await reference(warmUp)
        _ = try await ours(warmUp)
        var figures = Figures()
        for _ in 0..<Self.rounds {
            figures.reference.add(try await reference(span))
            figures.ours.add(try await ours(span))
        }
        return figures
    }
}

/// What both sides have come to.
struct Figures: Sendable {
    /// One side: all its samples, and the median of each round.
    struct Side: Sendable {
        private(set) var samples = Samples()
        private(set) var medians: [Double] = []

        mutating func add(_ round: Samples) {
            // Rounds of both sides are pairs: an empty one counts, too, as one that has no ratio.
            medians.append(round.isEmpty ? 0 : round.median)
            samples.add(round)
        }
    }

    var reference = Side()
    var ours = Side()
}
