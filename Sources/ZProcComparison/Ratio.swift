// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// How many times as long as another's the runs of one took, round by round.
package struct Ratio: CustomStringConvertible {
    package let median: Double
    package let range: ClosedRange<Double>

    package var description: String {
        "\(formatted(median))× (\(formatted(range.lowerBound)) … \(formatted(range.upperBound)))"
    }
}

extension BackendComparison {
    /// Compares the rounds of two, pair by pair; nil when one of them did not run.
    package func ratio(of name: String, to other: String) -> Ratio? {
        guard let one = figures.first(where: { $0.name == name }), let two = figures.first(where: { $0.name == other }),
            one.failure == nil, two.failure == nil
        else { return nil }
        let ratios = zip(one.seconds, two.seconds).filter { $1 > 0 }.map { $0 / $1 }
        guard let middle = ZProcComparison.median(ratios), let least = ratios.min(), let most = ratios.max() else {
            return nil
        }
        return Ratio(median: middle, range: least...most)
    }
}
