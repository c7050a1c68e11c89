// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// Only a debug build lets tests see the inside of a program.
#if DEBUG
import FoundationEssentials
import Testing

@testable import zproc_bench

/// Figures that are held against a baseline.
@Suite struct GateTests {
    private let figures = """
        [{"name": "state.get", "backend": "threads", "unit": "ns", "median": 1, "p99": 2,
          "reference": {"name": "bare", "median": 1}, "ratio": 2},
         {"name": "hub.clients.1", "backend": "processes", "unit": "updates/s", "median": 1, "p99": 2,
          "reference": {"name": "echo", "median": 1}, "ratio": 0.5}]
        """

    private func figure(_ name: String, _ ratio: Double) throws -> RowFigure {
        let all = try JSONDecoder().decode([RowFigure].self, from: Data(figures.utf8))
        var figure = try #require(all.first { $0.name == name })
        figure.ratio = ratio
        return figure
    }

    private var baseline: Baseline<RowFigure> {
        get throws { try Baseline(Data(figures.utf8), path: "figures") }
    }

    @Test(arguments: [(1.0, true), (2, true), (2.5, true), (2.51, false), (20, false)])
    func timesMayGrowByTheTolerance(_ ratio: Double, _ isKept: Bool) throws {
        let verdict = try baseline.verdict(on: figure("state.get", ratio), tolerance: 0.25)
        #expect(verdict == (isKept ? .kept : .regressed(before: 2, now: ratio)))
    }

    @Test(arguments: [(5.0, true), (0.5, true), (0.4, true), (0.39, false), (0, false)])
    func ratesMayFallByTheTolerance(_ ratio: Double, _ isKept: Bool) throws {
        let verdict = try baseline.verdict(on: figure("hub.clients.1", ratio), tolerance: 0.25)
        #expect(verdict == (isKept ? .kept : .regressed(before: 0.5, now: ratio)))
    }

    @Test func aFigureOfAnotherBackendIsNew() throws {
        var figure = try figure("state.get", 100)
        figure.backend = "processes"
        #expect(try baseline.verdict(on: figure, tolerance: 0) == .new)
    }

    @Test(arguments: ["", "{}", "[{}]"])
    func whatIsNoReportIsAnError(_ text: String) {
        let error = #expect(throws: BenchError.self) { try Baseline<RowFigure>(Data(text.utf8), path: "x.json") }
        #expect(error?.description.contains("x.json") == true)
    }

    @Test func aFileThatIsNotThereIsAnError() {
        #expect(throws: BenchError.self) { try Baseline<RowFigure>(path: "/nowhere/figures.json") }
    }

    @Test func theRatioIsTheMedianOfThoseOfTheRounds() throws {
        var figures = Figures()
        for (ours, reference) in [(2.0, 1.0), (30, 10), (8, 2)] {
            figures.ours.add(samples(ours))
            figures.reference.add(samples(reference))
        }
        let result = try RowResult(row: row, figures: figures)
        #expect(result.ratio == 3)
        #expect(result.spread == 2...4)
    }

    @Test func aRoundThatMeasuredNothingHasNoRatio() throws {
        var figures = Figures()
        for (ours, reference) in [(2.0, 1.0), (nil, 10), (8, 2)] {
            figures.ours.add(samples(ours))
            figures.reference.add(samples(reference))
        }
        #expect(try RowResult(row: row, figures: figures).spread == 2...4)
        #expect(throws: BenchError.self) { try RowResult(row: row, figures: Figures()) }
    }

    private var row: Row { Row("row", in: .nanoseconds, against: "nothing", reach: .atMost(1)) { _ in Figures() } }

    private func samples(_ value: Double?) -> Samples {
        var samples = Samples()
        if let value { samples.record(value) }
        return samples
    }
}
#endif
