// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The figures of one row, in its unit.
struct RowResult: Sendable {
    let row: Row
    let median: Double
    /// The 99th percentile; of rates the first, which is the bad end there.
    let p99: Double
    let referenceMedian: Double
    let ratio: Double
    /// The lowest and the highest of the rounds' medians.
    let spread: ClosedRange<Double>

    /// - Throws: ``BenchError`` when a side has measured nothing.
    init(row: Row, figures: Figures) throws {
        let scale = row.unit.scale
        let ours = figures.ours.samples, reference = figures.reference.samples
        guard let lowest = figures.ours.medians.min(), let highest = figures.ours.medians.max(), reference.median > 0
        else {
            throw BenchError("a side has measured nothing; give it more --seconds")
        }
        self.row = row
        median = ours.median / scale
        p99 = ours.percentile(row.unit.outerPercentile) / scale
        referenceMedian = reference.median / scale
        ratio = ours.median / reference.median
        spread = lowest / scale...highest / scale
    }

    var isMet: Bool { row.reach.isMet(by: ratio) }
}
