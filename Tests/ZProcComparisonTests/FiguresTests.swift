// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing

import ZProcComparison

@Suite struct FiguresTests {
    private func comparison(_ rounds: [String: [Double]], failed: [String: String] = [:]) -> BackendComparison {
        let figures = (Array(rounds.keys) + failed.keys).sorted().map { name in
            var figures = BackendFigures(name: name)
            figures.seconds = rounds[name] ?? []
            figures.processorSeconds = figures.seconds
            figures.failure = failed[name]
            return figures
        }
        return BackendComparison(figures: figures, operations: 100)
    }

    @Test(arguments: [([], nil), ([3], 3), ([3, 1, 2], 2), ([4, 1, 2, 3], 2.5)] as [([Double], Double?)])
    func medians(_ values: [Double], _ expected: Double?) { #expect(median(values) == expected) }

    @Test func aRatioIsTakenRoundByRound() throws {
        let comparison = comparison(["threads": [1, 2, 4], "ray": [10, 10, 10], "joblib": []])
        let ratio = try #require(comparison.ratio(of: "ray", to: "threads"))
        #expect(ratio.median == 5)
        #expect(ratio.range == 2.5...10)
        #expect(ratio.description == "5× (2.5 … 10)")
        #expect(comparison.ratio(of: "joblib", to: "threads") == nil)
        #expect(comparison.ratio(of: "redis", to: "threads") == nil)
    }

    @Test func speedUpsAndRatesComeFromMedians() {
        let comparison = comparison(["one loop": [4, 4, 9], "threads": [1, 2, 3]])
        #expect(comparison.speedUp(of: comparison.figures[1]) == 2)
        #expect(comparison.throughput(of: comparison.figures[1]) == 50)
    }

    @Test func tablesSayWhatFailed() {
        let comparison = comparison(["threads": [0.5]], failed: ["processes": "a | b"])
        #expect(comparison.description.contains("processes  failed: a | b"))
        #expect(comparison.markdown.contains("| processes | failed: a \\| b |"))
        #expect(comparison.markdown.contains("| threads | 500 ms |"))
        #expect(comparison.chart.contains(">failed</text>"))
    }

    @Test func namesInChartsAreEscaped() {
        let chart = BarChart(title: "a < b & c", bars: [.init(name: "<x>", value: 0, label: "\u{1}")]).svg
        #expect(chart.contains("a &lt; b &amp; c"))
        #expect(chart.contains("&lt;x&gt;"))
        #expect(!chart.contains("\u{1}"))
    }

    @Test func chartsOfNothingAndOfNonsenseAreCharts() {
        let lines = [LineChart.Line(name: "a", points: [(0, 1), (1, -1), (2, 5)]), .init(name: "b", points: [])]
        for chart in [
            BarChart(title: "", bars: []).svg, BarChart(title: "", bars: [.init(name: "a", value: nil, label: "")]).svg,
            LineChart(title: "", horizontal: "", vertical: "", lines: []).svg,
            LineChart(title: "", horizontal: "", vertical: "", lines: lines).svg,
        ] {
            #expect(chart.hasPrefix("<svg "))
            #expect(chart.hasSuffix("</svg>\n"))
            #expect(!chart.contains("nan") && !chart.contains("inf"))
        }
    }

    @Test(
        arguments: [
            (0, "0"), (0.000_123_4, "0.000123"), (0.001_23, "0.00123"), (0.5, "0.5"), (1.234, "1.23"), (12.34, "12.3"),
            (1_234.5, "1,235"), (1_234_567, "1,234,567"), (-2.5, "-2.5"), (999.9, "1,000"), (.infinity, "inf"),
        ] as [(Double, String)]
    )
    func numbers(_ value: Double, _ text: String) { #expect(formatted(value) == text) }

    @Test(arguments: [(2, "2 s"), (0.25, "250 ms"), (0.000_5, "500 µs"), (2e-8, "20 ns")] as [(Double, String)])
    func times(_ seconds: Double, _ text: String) { #expect(timeText(seconds) == text) }
}
