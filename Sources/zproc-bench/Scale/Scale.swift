// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import ZProcComparison

/// `zproc-bench scale`: what one hub can do for how many, by a model whose costs are measured here.
struct Scale: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells how many clients and workers one hub serves, by simulation, and checks that against runs.",
        discussion: """
            The costs of a request are measured with one client, which has every thread woken, and with 64, which do not. \
            The model is checked at the numbers of clients and workers that this machine allows, then asked for others.
            """
    )

    @Option(help: "How long to run each number of clients.")
    var seconds = 3.0

    @Option(help: ArgumentHelp("Write the figures to this file, too.", valueName: "file"))
    var json: String?

    func validate() throws {
        guard seconds.isFinite, seconds > 0, seconds <= 600 else {
            throw ValidationError("--seconds must be more than 0 and at most 600")
        }
    }

    func run() async throws {
        let file = try json.map { try OutputFile(path: $0) }
        let report = ScaleReport(clients: try await clients(), workers: try await workers())
        try file?.write(try JSONReport.text(of: report))
    }

    private func clients() async throws -> ScaleReport.Part {
        let one = try await runClients(1, seconds: seconds), many = try await runClients(64, seconds: seconds)
        let model = try RequestModel(one: one, many: many)
        model.describe("an update by a client")
        var part = ScaleReport.Part(one: one, many: many)
        var table = TextTable(titles: ["clients", "measured/s", "model/s", "measured", "model"])
        for count in [1, 4, 16, 64, 128, 256] {
            let seen = try await runClients(count, seconds: seconds)
            let outcome = model.outcome(askers: count, onSameMachine: true)
            part.checks.append(.init(count: count, measured: seen.rate, model: outcome.rate))
            table.add([
                "\(count)", formatted(seen.rate), formatted(outcome.rate), seen.median.map(timeText) ?? "",
                timeText(outcome.median),
            ])
        }
        printLine("clients on the hub's machine, each with one update after the other\n\(table.text)\n")

        var paper = TextTable(titles: [
            "clients", "one after the other", "", "ten a second each", "", "one a second each", "",
        ])
        for count in [10, 100, 1_000, 10_000] {
            var cells = ["\(count)"]
            for pause in [0, 0.1, 1] {
                let outcome = model.outcome(askers: count, onSameMachine: false, pause: pause)
                part.predictions.append(.init(count: count, pause: pause, rate: outcome.rate, median: outcome.median))
                cells += ["\(formatted(outcome.rate))/s", timeText(outcome.median)]
            }
            paper.add(cells)
        }
        printLine("model: clients on other machines, the hub with two processors to itself\n\(paper.text)\n")
        return part
    }

    private func workers() async throws -> ScaleReport.Part {
        let pause = 0.01
        func items(_ count: Int) -> Int { max(200, Int(seconds * min(Double(count) / pause, 4_000))) }
        let one = try await runWorkers(1, pause: pause, items: items(1))
        let many = try await runWorkers(32, pause: pause, items: items(32))
        // What a lone worker's item takes beyond its own time is what its messages take.
        var timed = one
        timed.median = max(0, 1 / one.rate - pause)
        let model = try RequestModel(one: timed, many: many)
        model.describe("an item for a worker, alone in its chunk")
        var part = ScaleReport.Part(one: timed, many: many)
        var table = TextTable(titles: ["workers", "measured/s", "model/s"])
        for count in [1, 4, 16, 32, 64] {
            let seen = try await runWorkers(count, pause: pause, items: items(count))
            let outcome = model.outcome(askers: count, onSameMachine: true, pause: pause)
            part.checks.append(.init(count: count, measured: seen.rate, model: outcome.rate))
            table.add(["\(count)", formatted(seen.rate), formatted(outcome.rate)])
        }
        printLine("workers on the same machine, items that wait for 10 ms\n\(table.text)\n")

        var paper = TextTable(titles: ["workers", "chunks of 10 ms", "of 100 ms", "of 1 s"])
        for count in [10, 100, 1_000, 4_000] {
            var cells = ["\(count)"]
            for pause in [0.01, 0.1, 1] {
                let outcome = model.outcome(askers: count, onSameMachine: false, pause: pause)
                part.predictions.append(.init(count: count, pause: pause, rate: outcome.rate, median: outcome.median))
                cells.append("\(formatted(100 * outcome.rate * pause / Double(count)))% at work")
            }
            paper.add(cells)
        }
        printLine("model: workers on other machines, the hub with two processors to itself\n\(paper.text)")
        return part
    }
}

/// Everything found out, for a file.
struct ScaleReport: Codable {
    struct Check: Codable {
        var count: Int, measured: Double, model: Double
    }

    struct Prediction: Codable {
        var count: Int, pause: Double, rate: Double, median: Double
    }

    struct Part: Codable {
        /// Alone, and among many.
        var one: ScaleRun, many: ScaleRun
        var checks: [Check] = []
        var predictions: [Prediction] = []
    }

    var clients: Part, workers: Part
}

/// A request as a network of stations: whoever asks, the transport there, the thread that answers, the transport back.
struct RequestModel {
    /// Of a request among many, and how much more one takes for which threads must be woken.
    let busy: MessageCosts, waking: MessageCosts
    /// Seconds on the way that no processor works.
    let pause: Double

    /// - Throws: ``BenchError`` when the runs were too short to tell.
    init(one: ScaleRun, many: ScaleRun) throws {
        guard one.costs.areKnown, many.costs.areKnown else {
            throw BenchError("the runs were too short to tell what a request costs; give them more --seconds")
        }
        busy = many.costs
        waking = one.costs.over(many.costs)
        pause = max(0, (one.median ?? 0) - one.costs.sum)
    }

    func describe(_ name: String) {
        var table = TextTable(titles: [name, "asker", "transport", "answerer"])
        table.add(["among many"] + [busy.asker, busy.transport, busy.answerer].map(timeText))
        table.add(["more when woken"] + [waking.asker, waking.transport, waking.answerer].map(timeText))
        printLine("\(table.text)\non the way \(timeText(pause)); at most \(formatted(1 / busy.answerer)) a second\n")
    }

    /// - Parameters:
    ///   - askers: how many there are.
    ///   - onSameMachine: whether they share two processors with the one that answers; else they have enough.
    ///   - pause: how long each waits before it asks again.
    /// - Returns: What they come to.
    func outcome(askers: Int, onSameMachine: Bool, pause: Double = 0) -> ClosedNetwork.Outcome {
        let own = onSameMachine ? 0 : 1
        let network = ClosedNetwork(
            stations: [
                .init(threads: askers, busy: busy.asker, waking: waking.asker, machine: own),
                .init(threads: 1, busy: busy.transport / 2, waking: waking.transport / 2, machine: 0),
                .init(threads: 1, busy: busy.answerer, waking: waking.answerer, machine: 0),
                .init(threads: 1, busy: busy.transport / 2, waking: waking.transport / 2, machine: 0),
            ],
            processors: [2, askers],
            customers: askers,
            pause: self.pause + pause
        )
        return network.run(rounds: max(20_000, 6 * askers), seed: 1)
    }
}
