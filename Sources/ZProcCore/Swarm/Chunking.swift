// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// How many items go into a chunk, learnt from how long they took.
///
/// Begins with one, and is at most four times as large after each measurement, so that a few cheap items at the start
/// do not make a chunk that runs for long.
package struct Chunking: Sendable {
    /// How many items a chunk has at most, whatever is asked for: they are all in memory.
    private static let maximum = 1 << 24
    private let fixed: Int?
    private let target: Double
    private let limit: Int
    private var size = 1
    /// Seconds for an item, the last chunks counting most.
    package private(set) var itemTime: Double?

    package init(fixed: Int?, target: Duration, limit: Int) {
        self.fixed = fixed.map { max(1, min($0, Self.maximum)) }
        self.target = target / .seconds(1)
        self.limit = max(1, limit)
    }

    package mutating func measured(_ count: Int, items time: Duration) {
        guard count > 0 else { return }
        let sample = max(0, time / .seconds(1)) / Double(count)
        let itemTime = self.itemTime.map { 0.7 * $0 + 0.3 * sample } ?? sample
        self.itemTime = itemTime
        let wanted = itemTime > 0 ? min(target / itemTime, Double(limit)) : Double(limit)
        size = max(1, min(Int(wanted), size * 4, limit))
        boundary *= 1.05
        usualSize = max(Double(size), 0.9 * usualSize + 0.1 * Double(size))
    }

    /// Makes chunks no larger than this; with each that is measured a little larger again, for it may have been one large
    /// item among many small ones.
    package mutating func bound(_ count: Int) { boundary = max(1, min(Double(count), boundary)) }
    private var boundary = Double.infinity
    private func bounded(_ count: Int) -> Int { Double(count) <= boundary ? count : Int(boundary) }
    private var usualSize = 1.0

    /// What chunks have when many follow; small ones at the end, and after a dear item, make it no smaller at once.
    ///
    /// How far the input is ahead of the consumer goes by it: with results in order, an item that takes long would stop the
    /// input otherwise, and with it all workers.
    package var usual: Int { bounded(fixed ?? Int(usualSize)) }

    /// The size of the next chunk.
    ///
    /// - Parameters:
    ///   - remaining: how many items are left, where that is known; the last ones are divided finely, so that all
    ///     workers end together.
    ///   - workers: how many there are.
    /// - Returns: how many items.
    package func next(remaining: Int?, workers: Int) -> Int {
        if let fixed { return bounded(fixed) }
        guard let remaining else { return bounded(size) }
        let share = (max(1, remaining) - 1) / (2 * max(1, workers)) + 1
        // What takes no time is not worth a message of its own.
        let least = itemTime.map { $0 > 0 ? Int(min(target / 10 / $0, Double(limit))) : limit } ?? 1
        return bounded(max(1, min(size, max(share, least), remaining)))
    }
}
