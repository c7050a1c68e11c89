// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// Processes that change the state are killed at any moment.
///
/// Few kills each time; `ZPROC_CHAOS_KILLS=200` for many. `ZPROC_SEED` repeats the schedule of a run.
@Suite(.tags(.state, .fault, .process), .timeLimit(.minutes(10)))
struct ChaosTests {
    static let accounts = 10
    static let money = 1_000
    static let workers = 8

    @Test(arguments: StateWay.all)
    func killsLoseAndInventNothing(_ way: StateWay) async throws {
        let kills = Environment.number("ZPROC_CHAOS_KILLS", default: 12)
        var random = SeededRandom.announced("chaos, \(way)")
        var options = way.options
        options.history = HistoryLimits(count: 10_000_000)
        try await withTemporaryDirectory { directory in
            try await withContext(.processes, state: options) { context in
                let state = context.state
                try await state.merge(
                    Dictionary(uniqueKeysWithValues: (0..<Self.accounts).map { ("\($0)", Self.money) })
                )
                let start = try await state.snapshot().revision
                var watchers: [SpawnedProcess<ChaosReport>] = []
                for _ in 0..<2 { watchers.append(try await context.spawn(start) { try await watchChaos(state, $0) }) }
                async let ownReport = watchChaos(state, start)

                var names: [String] = []
                func launch(_ name: String) async throws -> (name: String, process: SpawnedProcess<Void>) {
                    names.append(name)
                    let log = "\(directory)/\(name)", seed = random.next()
                    return (name, try await context.spawn(name) { try await causeChaos(state, $0, log, seed) })
                }
                var running: [(name: String, process: SpawnedProcess<Void>)] = []
                for number in 0..<Self.workers { running.append(try await launch("worker\(number)")) }
                var killed: Set<String> = []
                for kill in 0..<kills {
                    // Later than its first updates, at any time from there.
                    let victim = Int.random(in: running.indices, using: &random)
                    let (name, process) = running[victim]
                    try await eventually { fileSize("\(directory)/\(name)") > 3 }
                    try await Task.sleep(for: .microseconds(Int.random(in: 0...5_000, using: &random)))
                    try? process.signal(SIGKILL)
                    let termination = await #expect(throws: ProcessTermination.self) { try await process.value }
                    #expect(termination?.cause == .signal(Int(SIGKILL)))
                    killed.insert(name)
                    running[victim] = try await launch("replacement\(kill)")
                }
                try await state.set("stop", to: true)
                for (_, process) in running { try await process.value }
                // Requests that dead processes had sent may still be under way to where the state lives.
                try await state.set("end", to: true)

                let end = try await state.snapshot()
                var total = 0
                for name in names {
                    let acknowledged = fileSize("\(directory)/\(name)")
                    let committed = try end.get(name, default: 0)
                    // A process that was killed may have been so between its commit and its knowing of it.
                    let isRight =
                        killed.contains(name)
                        ? (acknowledged...acknowledged + 1).contains(committed) : acknowledged == committed
                    #expect(isRight, "\(name): \(acknowledged) acknowledged, \(committed) committed")
                    total += committed
                }
                let sum = try (0..<Self.accounts).reduce(0) { try $0 + end.get("\($1)", default: 0) }
                #expect(sum == Self.accounts * Self.money)
                // Each update is one revision; two more are `stop` and `end`.
                #expect(end.revision.number == start.number + UInt64(total) + 2)
                let expected = ChaosReport(changes: total + 2, last: end.revision, violations: [])
                #expect(try await ownReport == expected)
                for watcher in watchers { #expect(try await watcher.value == expected) }
                print("chaos, \(way.testDescription): \(kills) kills, \(total) updates, none lost")
            }
        }
    }

    @Test(arguments: StateWay.all.filter { $0.engine == .shared && $0.access == .automatic })
    func aProcessKilledInsideAnUpdateLeavesNothing(_ way: StateWay) async throws {
        try await withTemporaryDirectory { directory in
            try await withContext(.processes, state: way.options) { context in
                let state = context.state
                try await state.set("n", to: 0)
                for round in 1...5 {
                    let inside = "\(directory)/\(round)"
                    let process = try await context.spawn(inside) { inside in
                        try await state.update { draft in
                            draft["n"] = -1
                            draft["other"] = "half"
                            close(open(inside, O_WRONLY | O_CREAT, 0o600))
                            while true { pause() }
                        }
                    }
                    try await eventually { access(inside, F_OK) == 0 }
                    // Readers do not wait for an update that runs.
                    #expect(try await state.get("n", as: Int.self) == round - 1)
                    async let next = state.increment("n")
                    try? process.signal(SIGKILL)
                    #expect(try await next == round)
                    await #expect(throws: ProcessTermination.self) { try await process.value }
                }
                #expect(try await state.snapshot() == ["n": 5])
                #expect(try await state.snapshot().revision == Revision(6))
            }
        }
    }

    /// A stopped process cannot let go of a snapshot, and the pages of it cannot be used again; a killed one must.
    @Test func aSnapshotOfAKilledProcessHoldsNothing() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/state", marker = "\(directory)/marker"
            let options = StateOptions(
                persistence: .file(path, sync: .none),
                history: HistoryLimits(count: 10)
            )
            try await withContext(.processes, state: options) { context in
                let state = context.state
                func churn() async throws {
                    for number in 0..<500 {
                        try await state.set("blob", to: [UInt8](repeating: UInt8(number % 256), count: 20_000))
                    }
                }
                try await churn()
                let process = try await context.spawn(marker) { marker in
                    let snapshot = try await state.snapshot()
                    close(open(marker, O_WRONLY | O_CREAT, 0o600))
                    // Other threads may stop before this one.
                    kill(getpid(), SIGSTOP)
                    while snapshot.count > 0 { pause() }
                }
                try await eventually { access(marker, F_OK) == 0 && isStopped(process.pid ?? 0) }
                try await churn()
                let whileHeld = fileSize(path)
                try? process.signal(SIGKILL)
                await #expect(throws: ProcessTermination.self) { try await process.value }
                for _ in 0..<3 { try await churn() }
                #expect(fileSize(path) <= whileHeld + 2_000_000)
            }
        }
    }
}

/// What one watcher saw.
struct ChaosReport: Codable, Equatable, Sendable {
    var changes = 0
    var last = Revision.zero
    var violations: [String] = []
}

/// Watches until the end, and looks for what must not be.
private func watchChaos(_ state: SharedState, _ start: Revision) async throws -> ChaosReport {
    var report = ChaosReport(changes: 0, last: start)
    for try await change in state.changes(from: .revision(start), includingIdentical: true) {
        report.changes += 1
        if change.revision.number != report.last.number + 1 {
            report.violations.append("\(change.revision) after \(report.last)")
        }
        report.last = change.revision
        let sum = try (0..<ChaosTests.accounts).reduce(0) { try $0 + change.after.get("\($1)", default: 0) }
        if sum != ChaosTests.accounts * ChaosTests.money {
            report.violations.append("sum \(sum) at \(change.revision)")
        }
        if change.keys.contains("end") { break }
    }
    return report
}

/// Moves money until it is told to stop, and adds one byte to `log` for each update that was acknowledged.
private func causeChaos(_ state: SharedState, _ name: String, _ log: String, _ seed: UInt64) async throws {
    let file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw TestFailure(reason: "cannot write \(log)") }
    defer { close(file) }
    var random = SeededRandom(state: seed)
    while try await state.get("stop", default: false) == false {
        let from = "\(Int.random(in: 0..<ChaosTests.accounts, using: &random))"
        let to = "\(Int.random(in: 0..<ChaosTests.accounts, using: &random))"
        let amount = Int.random(in: 1...10, using: &random), pause = Int.random(in: 0...100, using: &random)
        try await state.update { draft in
            draft[from, default: 0] -= amount
            // Time for being killed with one half done.
            spin(microseconds: pause)
            draft[to, default: 0] += amount
            draft[name, default: 0] += 1
        }
        var byte: UInt8 = 1
        guard write(file, &byte, 1) == 1 else { throw TestFailure(reason: "cannot write \(log)") }
        spin(microseconds: 5 * pause)
        await Task.yield()
    }
}

private func spin(microseconds: Int) {
    let end = ContinuousClock.now + .microseconds(microseconds)
    while ContinuousClock.now < end {}
}

/// Whether a process has been stopped by a signal.
private func isStopped(_ pid: Int) -> Bool { processState(pid) == "T" }
