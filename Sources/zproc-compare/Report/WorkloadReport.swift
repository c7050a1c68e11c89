// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProcComparison

/// What one workload has come to.
struct WorkloadReport: Codable {
    /// The same work with other numbers of workers, or other sizes.
    struct Point: Codable {
        var workers: Int, size: Int
        var comparison: BackendComparison
    }

    struct Chart {
        var file: String, svg: String
    }

    var kind: WorkloadKind
    var size: Int
    var workers: Int
    var comparison: BackendComparison
    /// The names of those in the comparison that are peers.
    var peers: [String] = []
    /// Peers that have nothing for this work.
    var unsupported: [AbsentPeer] = []
    var overWorkers: [Point] = []
    var overSize: [Point] = []

    /// Whether all ran, peers too, with the same result as the loop.
    var isComplete: Bool {
        ([comparison] + (overWorkers + overSize).map(\.comparison)).allSatisfy(\.isComplete)
    }

    var heading: String { "\(kind.rawValue): \(formatted(Double(size))) \(kind.unit), \(workers) workers" }

    /// What is printed on a terminal.
    var text: String {
        var text = "\(heading)\n\(comparison)\n"
        if let ratios { text += "\nhow many times as long as ours peers take\n\(ratios.text)\n" }
        for peer in unsupported { text += "\(peer.name.rawValue): \(peer.reason)\n" }
        return text
    }

    var markdown: String {
        var text = "## \(heading)\n\nHere \(kind.summary).\n\n\(comparison.markdown)\n"
        text += charts.map { "![\($0.file)](\($0.file))" }.joined(separator: "\n") + "\n"
        if let ratios { text += "\nHow many times as long as ours peers take, round by round:\n\n\(ratios.markdown)" }
        if !unsupported.isEmpty {
            text += "\nNothing for this work: "
            text += unsupported.map { "\($0.name.rawValue) (\($0.reason))" }.joined(separator: ", ") + ".\n"
        }
        return text
    }

    var charts: [Chart] {
        let operations = kind.operations(size: size).unit
        var charts = [Chart(file: "\(kind.rawValue).svg", svg: comparison.chart(title: heading))]
        for (points, name, value) in [
            (overWorkers, "workers", { Double($0.workers) }), (overSize, "size", { Double($0.size) }),
        ] as [([Point], String, (Point) -> Double)] where !points.isEmpty {
            let chart = LineChart(
                title: "\(kind.rawValue) over \(name)",
                horizontal: name == "size" ? kind.unit : name,
                vertical: "\(operations) a second",
                lines: lines(points, value)
            )
            charts.append(Chart(file: "\(kind.rawValue)-\(name).svg", svg: chart.svg))
        }
        return charts
    }

    private func lines(_ points: [Point], _ value: (Point) -> Double) -> [LineChart.Line] {
        let names = points.first?.comparison.figures.map(\.name) ?? []
        return names.map { name in
            LineChart.Line(
                name: name,
                points: points.compactMap { point in
                    guard let figures = point.comparison.figures.first(where: { $0.name == name }) else { return nil }
                    return point.comparison.throughput(of: figures).map { (value(point), $0) }
                }
            )
        }
    }

    /// A row for each peer, a column for each of our backends; nil without peers.
    private var ratios: TextTable? {
        if peers.isEmpty { return nil }
        let ours = ComparedBackend.allCases.map(\.description)
        var table = TextTable(titles: [""] + ours)
        for peer in peers {
            table.add([peer] + ours.map { comparison.ratio(of: peer, to: $0)?.description ?? "" })
        }
        return table
    }
}
