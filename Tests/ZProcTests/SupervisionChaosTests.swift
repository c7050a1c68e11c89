// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import ZProc

/// Processes of a supervised tree are killed at random; the event log must make sense, and everything run at the end.
///
/// `ZPROC_CHAOS_SECONDS` says for how long, `ZPROC_SEED` repeats a run's choices.
@Suite(.tags(.process, .fault), .timeLimit(.minutes(15))) struct SupervisionChaosTests {
    @Test func aSupervisedTreeOutlivesItsKillers() async throws {
        var random = SeededRandom.announced("supervision chaos")
        let seconds = Environment.number("ZPROC_CHAOS_SECONDS", default: 3)
        let often = RestartIntensity(1_000_000, within: .seconds(1))
        let nestedLog = Collector()
        try await withContext(.processes) { context in
            let state = context.state
            let top = try context.supervisor(.restForOne, intensity: often, name: "top")
            let topLog = Task { await top.events.reduce(into: [SupervisionEvent]()) { $0.append($1) } }
            try await top.spawn("first") { try await work(state, "first") }
            let counter = try await top.host("counter") { Counter(actorSystem: $0) }
            try await top.supervisor("nested", .oneForAll, intensity: often) { nested in
                nestedLog.collect(nested.events)
                for name in ["a", "b", "c"] { try await nested.spawn(name) { try await work(state, name) } }
            }
            try await top.spawn("last") { try await work(state, "last") }

            let clock = ContinuousClock(), end = clock.now + .seconds(seconds)
            var kills = 0
            while clock.now < end {
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...60, using: &random)))
                let own = top.children.compactMap(\.pid), others = try await state.snapshot()
                let pids = own + ["a", "b", "c"].compactMap { others["pid \($0)", default: 0] }.filter { $0 > 0 }
                guard let victim = pids.randomElement(using: &random), isAlive(victim) else { continue }
                kill(pid_t(victim), SIGKILL)
                kills += 1
            }
            // When nobody kills any more, everybody works.
            for name in ["first", "a", "b", "c", "last"] {
                let before = try await state.get("work \(name)", default: 0)
                try await state.first { $0["work \(name)", default: 0] > before + 10 }
            }
            _ = try await gone { try await counter.increment(by: 1) }
            #expect(top.children.map(\.name) == ["first", "counter", "nested", "last"])
            #expect(top.children.filter { !$0.isRunning }.isEmpty)
            let last = try await state.snapshot()
            await top.stop()
            for name in ["first", "a", "b", "c", "last"] { #expect(try !exists(last.get("pid \(name)", default: 0))) }
            // Each unit of work that was acknowledged was done once.
            let sum = try ["first", "a", "b", "c", "last"].reduce(0) { try $0 + last.get("work \($1)", default: 0) }
            #expect(sum <= (try await state.get("all", default: 0)))

            let events = await topLog.value
            try check(events, strategy: .restForOne, order: ["first", "counter", "nested", "last"])
            for log in await nestedLog.logs() { try check(log, strategy: .oneForAll, order: ["a", "b", "c"]) }
            #expect(kills > 0)
            print("\(kills) kills in \(seconds) s, \(events.count) events of the top supervisor")
        }
    }

    /// Follows the log and finds what cannot be.
    private func check(_ events: [SupervisionEvent], strategy: SupervisionStrategy, order: [String]) throws {
        var running: [String: Int] = [:], incarnations: [String: Int] = [:], number = 0
        /// Who must be stopped, newest first, before anybody is started again.
        var toStop: [String] = []
        for event in events {
            let place = try #require(order.firstIndex(of: event.child))
            number += 1
            #expect(event.number == number)
            switch event.kind {
            case .started, .failedToStart:
                #expect(running[event.child] == nil, "\(event) while it ran")
                #expect(event.incarnation == (incarnations[event.child] ?? 0) + 1, "\(event)")
                #expect(toStop.isEmpty, "\(event) before \(toStop) were stopped")
                incarnations[event.child] = event.incarnation
                if case .started = event.kind { running[event.child] = event.incarnation }
            case .ended:
                #expect(running.removeValue(forKey: event.child) == event.incarnation, "\(event)")
                let others = strategy == .oneForAll ? order : Array(order[(place + 1)...])
                toStop = others.reversed().filter { running[$0] != nil }
            case .stopped:
                #expect(running.removeValue(forKey: event.child) == event.incarnation, "\(event)")
                if let next = toStop.first {
                    #expect(event.child == next, "\(event) before \(next)")
                    toStop.removeFirst()
                }
            case .gaveUp:
                Issue.record("\(event)")
            }
        }
        #expect(running.isEmpty)
    }
}

/// Gathers the logs of supervisors that come one after the other.
private final class Collector: Sendable {
    private let tasks = Mutex<[Task<[SupervisionEvent], Never>]>([])

    func collect(_ events: AsyncStream<SupervisionEvent>) {
        let task = Task { await events.reduce(into: [SupervisionEvent]()) { $0.append($1) } }
        tasks.withLock { $0.append(task) }
    }

    func logs() async -> [[SupervisionEvent]] {
        var logs: [[SupervisionEvent]] = []
        for task in tasks.withLock({ $0 }) { logs.append(await task.value) }
        return logs
    }
}

private func work(_ state: SharedState, _ name: String) async throws {
    try await state.set("pid \(name)", to: Int(getpid()))
    while true {
        try await state.update { draft in
            draft["work \(name)", default: 0] += 1
            draft["all", default: 0] += 1
        }
        try await Task.sleep(for: .milliseconds(1))
    }
}
