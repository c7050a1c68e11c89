// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What a comparison of backends has come to.
public struct BackendComparison: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The figures of each backend, in order; of the loop first, when there was one.
    public var figures: [BackendFigures]
    /// How many of something each run did, when that was told.
    public var operations: Int?

    package init(figures: [BackendFigures], operations: Int?) {
        self.figures = figures
        self.operations = operations
    }

    /// Whether all ran and had the same result.
    public var isComplete: Bool { figures.allSatisfy { $0.failure == nil } }

    /// How many times as fast as the one loop this one was; nil without a loop, and for what did not run.
    public func speedUp(of figures: BackendFigures) -> Double? {
        guard let loop = self.figures.first(where: { $0.name == Contestant.loop.name })?.medianSeconds else {
            return nil
        }
        guard let own = figures.medianSeconds, own > 0, figures.name != Contestant.loop.name else { return nil }
        return loop / own
    }

    /// Operations in a second; nil when nobody told how many there are, and for what did not run.
    public func throughput(of figures: BackendFigures) -> Double? {
        guard let operations, let seconds = figures.medianSeconds, seconds > 0 else { return nil }
        return Double(operations) / seconds
    }

    /// A table for a terminal.
    public var description: String { table.text }

    /// The same table for Markdown.
    public var markdown: String { table.markdown }

    /// A bar for the time of each, with the range of its rounds, as the text of an SVG file.
    public var chart: String { chart(title: "Time of a run") }

    package func chart(title: String) -> String {
        let bars = figures.map { figures in
            BarChart.Bar(
                name: figures.name,
                value: figures.medianSeconds,
                range: figures.range,
                label: figures.medianSeconds.map { timeText($0) } ?? "failed"
            )
        }
        return BarChart(title: title, bars: bars).svg
    }

    private var table: TextTable {
        var table = TextTable(titles: ["", "time", "from … to", "per second", "CPU time", "peak memory", "speed-up"])
        for figures in figures {
            if let failure = figures.failure {
                table.add([figures.name, "failed: \(failure)"])
                continue
            }
            table.add([
                figures.name,
                figures.medianSeconds.map(timeText) ?? "",
                figures.range.map { "\(timeText($0.lowerBound)) … \(timeText($0.upperBound))" } ?? "",
                throughput(of: figures).map(formatted) ?? "",
                figures.medianProcessorSeconds.map(timeText) ?? "",
                figures.peakMemory.map { "\(formatted(Double($0) / 1_048_576)) MiB" } ?? "",
                speedUp(of: figures).map { "\(formatted($0))×" } ?? "",
            ])
        }
        return table
    }
}

/// What one backend has come to.
public struct BackendFigures: Hashable, Sendable, Codable {
    /// The backend, as it describes itself; or `one loop`.
    public var name: String
    /// The time of each round, in seconds.
    public var seconds: [Double] = []
    /// The processor time of each round in seconds, of all processes together, with the start and the end of the context.
    ///
    /// Empty when nobody knows it.
    public var processorSeconds: [Double] = []
    /// The most memory that all processes had together in bytes, sampled in the run before the rounds.
    ///
    /// What several processes share counts once. Nil where the system does not tell.
    public var peakMemory: Int?
    /// Why it did not run to the end, or that its result was another one; nil when all went well.
    public var failure: String?

    package init(name: String) { self.name = name }

    /// The median of the rounds; nil for what failed.
    public var medianSeconds: Double? { failure == nil ? median(seconds) : nil }

    /// The median of the rounds' processor time; nil for what failed, and when nobody knows it.
    public var medianProcessorSeconds: Double? { failure == nil ? median(processorSeconds) : nil }

    /// The quickest and the slowest round; nil for what failed.
    public var range: ClosedRange<Double>? {
        guard failure == nil, let least = seconds.min(), let most = seconds.max() else { return nil }
        return least...most
    }
}

/// The middle of the values, or the mean of the two in the middle; nil when there are none.
package func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted(), middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
}
