// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProcComparison

/// The figures of one row, in its unit.
struct RowResult: Sendable {
    let row: Row
    let median: Double
    /// The 99th percentile; of rates the first, which is the bad end there.
    let p99: Double
    let referenceMedian: Double
    /// The median of the rounds' ratios: in a round both sides had a turn, one right after the other.
    let ratio: Double
    /// The lowest and the highest of the rounds' ratios.
    let spread: ClosedRange<Double>

    /// - Throws: ``BenchError`` when a side has measured nothing.
    init(row: Row, figures: Figures) throws {
        let scale = row.unit.scale
        let ours = figures.ours.samples, reference = figures.reference.samples
        let ratios = zip(figures.ours.medians, figures.reference.medians).filter { $0 > 0 && $1 > 0 }.map { $0 / $1 }
        guard let middle = ZProcComparison.median(ratios), let lowest = ratios.min(), let highest = ratios.max() else {
            throw BenchError("a side has measured nothing; give it more --seconds")
        }
        self.row = row
        median = ours.median / scale
        p99 = ours.percentile(row.unit.outerPercentile) / scale
        referenceMedian = reference.median / scale
        ratio = middle
        spread = lowest...highest
    }

    var isMet: Bool { row.reach.isMet(by: ratio) }
}
