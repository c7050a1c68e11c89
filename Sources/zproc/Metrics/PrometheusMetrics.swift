// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Metrics
import Synchronization

/// Collects metrics for Prometheus to fetch.
final class PrometheusMetrics: MetricsFactory {
    /// A metric's name and what tells those of that name apart.
    private struct Key: Hashable {
        let label: String
        let dimensions: [String]

        init(_ label: String, _ dimensions: [(String, String)]) {
            self.label = label
            self.dimensions = dimensions.flatMap { [$0.0, $0.1] }
        }
    }

    private enum Kind: String { case counter, gauge, histogram }

    private struct Family {
        let kind: Kind
        var series: [Key: any Series] = [:]
    }
    private let families = Mutex<[String: Family]>([:])

    /// All that has been collected, in Prometheus's text format.
    func text() -> String {
        let families = families.withLock { $0 }
        var lines: [String] = []
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            lines.append("# TYPE \(name) \(family.kind.rawValue)")
            let all = family.series.sorted { $0.key.dimensions.lexicographicallyPrecedes($1.key.dimensions) }
            for (key, series) in all { lines += series.lines(name, Self.pairs(key.dimensions)) }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func pairs(_ dimensions: [String]) -> [String] {
        stride(from: 0, to: dimensions.count - 1, by: 2).map { "\(dimensions[$0])=\"\(escaped(dimensions[$0 + 1]))\"" }
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    /// The series of a name, made the first time; one of its own, that nobody sees, for a name that is of another kind.
    private func series<S: Series>(
        _ kind: Kind,
        _ label: String,
        _ dimensions: [(String, String)],
        _ make: () -> S
    ) -> S {
        families.withLock { families in
            let key = Key(label, dimensions)
            if let known = families[label]?.series[key] { return known as? S ?? make() }
            guard families[label].map({ $0.kind == kind }) ?? true else { return make() }
            let made = make()
            families[label, default: Family(kind: kind)].series[key] = made
            return made
        }
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(.counter, label, dimensions) { CounterSeries() }
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate
            ? series(.histogram, label, dimensions) { HistogramSeries() }
            : series(.gauge, label, dimensions) { GaugeSeries() } as any RecorderHandler
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(.histogram, label, dimensions) { HistogramSeries() }
    }

    // What was collected stays until the end.
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
}

/// What is collected of a name with the same dimensions.
private protocol Series: Sendable {
    /// Lines of Prometheus's text format.
    func lines(_ name: String, _ pairs: [String]) -> [String]
}

/// Writes a line.
private func line(_ name: String, _ pairs: [String], _ value: String) -> String {
    pairs.isEmpty ? "\(name) \(value)" : "\(name){\(pairs.joined(separator: ","))} \(value)"
}

private final class CounterSeries: CounterHandler, Series {
    private let count = Atomic<Int64>(0)

    func increment(by amount: Int64) { count.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { count.store(0, ordering: .relaxed) }
    func lines(_ name: String, _ pairs: [String]) -> [String] {
        [line(name, pairs, "\(count.load(ordering: .relaxed))")]
    }
}

private final class GaugeSeries: RecorderHandler, Series {
    private let value = Mutex(0.0)

    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) { self.value.withLock { $0 = value } }
    func lines(_ name: String, _ pairs: [String]) -> [String] {
        let value = value.withLock { $0 }
        return [line(name, pairs, Int64(exactly: value).map { "\($0)" } ?? "\(value)")]
    }
}

/// How often values were at most so large; times in seconds.
private final class HistogramSeries: TimerHandler, RecorderHandler, Series {
    /// From 10 µs to 30 s: a hub answers most calls in less than a millisecond.
    private static let bounds = [
        0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30,
    ]
    private struct Values {
        /// Of values at most as large as each bound and larger than the one before, and of larger ones.
        var counts = [Int](repeating: 0, count: HistogramSeries.bounds.count + 1)
        var sum = 0.0
    }
    private let values = Mutex(Values())

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) {
        let place = Self.bounds.firstIndex { value <= $0 } ?? Self.bounds.count
        values.withLock { values in
            values.counts[place] += 1
            values.sum += value
        }
    }

    func lines(_ name: String, _ pairs: [String]) -> [String] {
        let values = values.withLock { $0 }
        var lines: [String] = [], total = 0
        for (bound, count) in zip(Self.bounds.map { "\($0)" } + ["+Inf"], values.counts) {
            total += count
            lines.append(line("\(name)_bucket", pairs + ["le=\"\(bound)\""], "\(total)"))
        }
        return lines + [line("\(name)_sum", pairs, "\(values.sum)"), line("\(name)_count", pairs, "\(total)")]
    }
}
