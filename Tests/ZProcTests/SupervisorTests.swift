// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import ZProc

/// Supervisors with real children; what they decide is tested apart, in full.
@Suite(.tags(.process), .timeLimit(.minutes(5))) struct SupervisorTests {
    /// Three children that fail when they are told to.
    private static func three(
        _ context: Context,
        _ strategy: SupervisionStrategy,
        _ rule: RestartRule = .permanent
    ) async throws -> Supervisor {
        let supervisor = try context.supervisor(strategy, intensity: RestartIntensity(3, within: .seconds(100)))
        for name in ["a", "b", "c"] {
            try await supervisor.spawn(name, restart: rule) { try await obey(context.state, name) }
        }
        return supervisor
    }

    @Test(
        arguments: [
            (SupervisionStrategy.oneForOne, ["a": 1, "b": 2, "c": 1]), (.oneForAll, ["a": 2, "b": 2, "c": 2]),
            (.restForOne, ["a": 1, "b": 2, "c": 2]),
        ],
        Backend.allCases
    )
    func theStrategySaysWhoIsRestarted(
        _ expected: (SupervisionStrategy, [String: Int]),
        on backend: Backend
    ) async throws {
        try await withContext(backend) { context in
            let supervisor = try await Self.three(context, expected.0)
            try await order(context.state, "b", "fail")
            try await eventually {
                let children = supervisor.children
                return Dictionary(uniqueKeysWithValues: children.map { ($0.name, $0.incarnation) }) == expected.1
                    && children.allSatisfy(\.isRunning)
            }
            await supervisor.stop()
            try await supervisor.wait()
            var stops: [String] = []
            for await event in supervisor.events { if case .stopped = event.kind { stops.append(event.child) } }
            #expect(stops.suffix(3) == ["c", "b", "a"])
            #expect(supervisor.children.isEmpty)
        }
    }

    @Test(arguments: [(RestartRule.permanent, 2, 2), (.transient, 2, 1), (.temporary, 1, 1)], Backend.allCases)
    func theRuleSaysWhetherAChildIsRestarted(_ expected: (RestartRule, Int, Int), on backend: Backend) async throws {
        try await withContext(backend) { context in
            for (command, count) in [("fail", expected.1), ("return", expected.2)] {
                let supervisor = try await Self.three(context, .oneForOne, expected.0)
                try await order(context.state, "b", command)
                var starts = 0
                for await event in supervisor.events where event.child == "b" {
                    if case .started = event.kind { starts += 1 }
                    // The event that must come last, and after it nothing for b.
                    if case .ended = event.kind, starts == count { break }
                    if starts == count, starts > 1 { break }
                }
                #expect(starts == count)
                let isGone = expected.0 == .temporary
                try await eventually { supervisor.children.count == (isGone ? 2 : 3) }
                await supervisor.stop()
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func tooManyRestartsEndTheSupervisor(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let supervisor = try context.supervisor(.oneForOne, intensity: RestartIntensity(2, within: .seconds(100)))
            let state = context.state
            try await supervisor.spawn("calm") { try await Task.sleep(for: .seconds(1_000)) }
            try await supervisor.spawn("hasty") {
                try await state.increment("starts")
                throw TestFailure(reason: "again")
            }
            let error = try await #require(throws: SupervisorError.self) { try await supervisor.wait() }
            #expect(error.code == .gaveUp)
            #expect(error.message.contains("hasty"))
            #expect(try await state.get("starts", as: Int.self) == 3)
            var last: SupervisionEvent?
            for await event in supervisor.events { last = event }
            guard case .gaveUp? = last?.kind else {
                Issue.record("the last event is \(String(describing: last))")
                return
            }
            #expect(last?.child == "hasty")
            #expect(last?.incarnation == 3)
            let late = try await #require(throws: SupervisorError.self) {
                try await supervisor.spawn("late") {}
            }
            #expect(late.code == .ended)
            await supervisor.stop()
        }
    }

    @Test(arguments: Backend.allCases)
    func aNestedSupervisorThatGivesUpIsRestarted(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let top = try context.supervisor(.oneForOne, intensity: RestartIntensity(1, within: .seconds(100)))
            try await top.supervisor("nested", .oneForAll, intensity: RestartIntensity(1, within: .seconds(100))) {
                nested in
                try await nested.spawn("calm") { try await Task.sleep(for: .seconds(1_000)) }
                try await nested.spawn("hasty") {
                    if try await state.increment("starts") <= 2 { throw TestFailure(reason: "again") }
                    try await Task.sleep(for: .seconds(1_000))
                }
            }
            try await eventually { try await state.get("starts", default: 0) == 3 }
            try await eventually { top.children.first?.incarnation == 2 && top.children.first?.isRunning == true }
            await top.stop()
            #expect(try await state.get("starts", as: Int.self) == 3)
        }
    }

    @Test(arguments: Backend.allCases)
    func childrenComeAndGo(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let supervisor = try await Self.three(context, .restForOne)
            let taken = try await #require(throws: SupervisorError.self) { try await supervisor.spawn("b") {} }
            #expect(taken.code == .nameTaken)
            try await supervisor.remove("b")
            #expect(supervisor.children.map(\.name) == ["a", "c"])
            let unknown = try await #require(throws: SupervisorError.self) { try await supervisor.remove("b") }
            #expect(unknown.code == .noSuchChild)
            try await supervisor.spawn("b") { try await obey(context.state, "b") }
            #expect(supervisor.children.map(\.name) == ["a", "c", "b"])
            #expect(supervisor.children.map(\.incarnation) == [1, 1, 1])
            // Leaving the scope stops it.
        }
    }

    @Test func whatCannotStartIsNoChild() async throws {
        try await withContext(.processes) { context in
            let supervisor = try context.supervisor()
            var options = ProcessOptions()
            options.workingDirectory = "/nowhere"
            await #expect(throws: SpawnError.self) { try await supervisor.spawn("lost", options: options) {} }
            #expect(supervisor.children.isEmpty)
            let secret = NotCodable()
            await #expect(throws: PortableClosureError.self) {
                try await supervisor.spawn("secret") { _ = secret.value }
            }
            await supervisor.stop()
            try await supervisor.wait()
        }
        let context = try Context(.threads)
        await context.shutdown()
        #expect(throws: SupervisorError.self) { try context.supervisor() }
    }

    /// On `.threads` it would be stopped by its supervisor, which it would wait for.
    @Test(arguments: Backend.allCases)
    func aSupervisedBodyMayStopWhatItSpawnedAndWaitForIt(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state, supervisor = try context.supervisor()
            try await supervisor.spawn("calm") { try await Task.sleep(for: .seconds(1_000)) }
            try await supervisor.spawn("stopper", restart: .temporary) {
                let sleeper = try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
                await context.stopAll()
                try await context.waitForAll()
                try await state.set("isStopped", to: await !sleeper.isRunning)
            }
            try await state.first { $0["isStopped", default: false] }
            #expect(supervisor.children.first?.incarnation == 1)
            #expect(supervisor.children.first?.isRunning == true)
        }
    }

    @Test(arguments: Backend.allCases)
    func aNestedSupervisorsBuilderMayStopWhatRuns(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let sleeper = try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
            let top = try context.supervisor()
            try await top.supervisor("nested", .oneForOne) { nested in
                await context.stopAll()
                try await nested.spawn("calm") { try await Task.sleep(for: .seconds(1_000)) }
            }
            #expect(await !sleeper.isRunning)
            #expect(top.children.first?.isRunning == true)
        }
    }

    @Test func aChildOnThreadsMayStopItsSupervisor() async throws {
        try await withContext(.threads) { context in
            let supervisor = try context.supervisor()
            try await supervisor.spawn("stopper") {
                await supervisor.stop()
                try await Task.sleep(for: .seconds(1_000))
            }
            try await supervisor.wait()
        }
    }

    /// As soon as it runs, when its start may be under way still, and later.
    @Test(.timeLimit(.minutes(1)), arguments: [false, true])
    func aChildOnThreadsMayRemoveItself(later isLater: Bool) async throws {
        try await withContext(.threads) { context in
            let state = context.state, supervisor = try context.supervisor()
            try await supervisor.spawn("calm") { try await Task.sleep(for: .seconds(1_000)) }
            try await supervisor.spawn("leaver") {
                if isLater { try await eventually { supervisor.children.last?.isRunning == true } }
                try await supervisor.remove("leaver")
                // It is not waited for, and has time to say so.
                try await Task { try await state.set("hasReturned", to: true) }.value
                try await Task.sleep(for: .seconds(1_000))
            }
            try await state.first { $0["hasReturned", default: false] }
            try await eventually { supervisor.children.map(\.name) == ["calm"] }
            #expect(supervisor.children.first?.incarnation == 1)
            for await event in supervisor.events where event.child == "leaver" {
                if case .stopped = event.kind { break }
            }
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: [false, true])
    func aChildOnThreadsMayRemoveTheSupervisorItIsIn(later isLater: Bool) async throws {
        try await withContext(.threads) { context in
            let state = context.state, top = try context.supervisor()
            try await top.supervisor("team", .oneForOne) { team in
                try await team.spawn("leaver") {
                    if isLater { try await eventually { top.children.last?.isRunning == true } }
                    try await top.remove("team")
                    try await Task { try await state.set("hasReturned", to: true) }.value
                    try await Task.sleep(for: .seconds(1_000))
                }
            }
            try await state.first { $0["hasReturned", default: false] }
            try await eventually { top.children.isEmpty }
            for await event in top.events { if case .stopped = event.kind { break } }
        }
    }

    /// What it wants has its turn after the stop, which waits for the child.
    @Test(.timeLimit(.minutes(1)), arguments: ["remove", "spawn"])
    func aChildOnThreadsThatIsStoppedNeedNotWaitForWhatItWants(_ wish: String) async throws {
        try await withContext(.threads) { context in
            let state = context.state, supervisor = try context.supervisor(), isCancelled = Mutex(false)
            try await supervisor.spawn("wishes") {
                try await state.first { $0["isStopping", default: false] }
                try await state.set("isWishing", to: true)
                do {
                    if wish == "remove" {
                        try await supervisor.remove("holds")
                    } else {
                        try await supervisor.spawn("other") {}
                    }
                } catch {
                    isCancelled.withLock { $0 = error is CancellationError }
                }
            }
            try await supervisor.spawn("holds") {
                await withTaskCancellationHandler {
                    // Not cancelled with the body that is being stopped.
                    _ = await Task { try await state.first { $0["isWishing", default: false] } }.result
                } onCancel: {
                    Task { try await state.set("isStopping", to: true) }
                }
            }
            await supervisor.stop()
            try await supervisor.wait()
            #expect(isCancelled.withLock { $0 })
        }
    }

    /// A child that wants another one, and is restarted before that has its turn, may want it again.
    @Test(.timeLimit(.minutes(1))) func whatAChildOnThreadsWantedBeforeItWasRestartedIsForgotten() async throws {
        try await withContext(.threads) { context in
            let state = context.state
            let supervisor = try context.supervisor(.oneForAll, intensity: RestartIntensity(1, within: .seconds(1_000)))
            try await supervisor.spawn("wishes") {
                if try await state.increment("starts") == 1 {
                    try await state.first { $0["isStopping", default: false] }
                    try await state.set("isWishing", to: true)
                }
                try await supervisor.spawn("helper") { try await Task.sleep(for: .seconds(1_000)) }
                try await Task.sleep(for: .seconds(1_000))
            }
            try await supervisor.spawn("holds") {
                let number = try await state.increment("holds")
                await withTaskCancellationHandler {
                    if number > 1 { return _ = try? await Task.sleep(for: .seconds(1_000)) }
                    _ = await Task { try await state.first { $0["isWishing", default: false] } }.result
                } onCancel: {
                    Task { try await state.set("isStopping", to: true) }
                }
            }
            // With it, all are restarted.
            try await supervisor.spawn("fails") {
                if try await state.increment("failures") == 1 { throw TestFailure(reason: "once") }
                try await Task.sleep(for: .seconds(1_000))
            }
            try await eventually {
                let children = supervisor.children
                return children.map(\.name).contains("helper") && children.allSatisfy(\.isRunning)
            }
            #expect(try await state.get("starts", as: Int.self) == 2)
        }
    }

    @Test(arguments: [1, 2], Backend.allCases)
    func aNestedSupervisorWhoseStartHangsCanBeStopped(_ depth: Int, on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state, top = try context.supervisor()
            let start = Task { try await nest(depth, in: top, state) }
            try await state.first { $0["starting", default: false] }
            await top.stop()
            await #expect(throws: (any Error).self) { try await start.value }
        }
    }

    /// A supervisor in a spawned process, whose failure is that process's.
    @Test func supervisorsNestAcrossProcesses() async throws {
        try await withContext(.processes) { context in
            let state = context.state
            let top = try context.supervisor(.oneForOne, intensity: RestartIntensity(3, within: .seconds(100)))
            try await top.spawn("team") {
                try await state.increment("teams")
                let team = try context.supervisor(.oneForOne, intensity: RestartIntensity(0))
                try await team.spawn("member") {
                    try await state.set("member", to: Int(getpid()))
                    try await Task.sleep(for: .seconds(1_000))
                }
                try await team.wait()
            }
            try await state.first { $0.contains("member") }
            let first = try await state.get("member", default: 0)
            kill(pid_t(first), SIGKILL)
            try await state.first { $0["member", default: 0] != first }
            #expect(try await state.get("teams", as: Int.self) == 2)
        }
    }
}

/// So many supervisors within each other, and in the last one a host that never gets ready.
private func nest(_ depth: Int, in supervisor: Supervisor, _ state: SharedState) async throws {
    if depth > 0 {
        return try await supervisor.supervisor("nested", .oneForOne) { try await nest(depth - 1, in: $0, state) }
    }
    _ = try await supervisor.host("slow") { system in
        try await state.set("starting", to: true)
        try await Task.sleep(for: .seconds(1_000))
        return Counter(actorSystem: system)
    }
}

/// Does what it is told, once.
private func obey(_ state: SharedState, _ name: String) async throws {
    let order = try await state.first { $0.contains(name) }.get(name, default: "")
    try await state.remove(name)
    if order == "fail" { throw TestFailure(reason: name) }
}

private func order(_ state: SharedState, _ name: String, _ what: String) async throws {
    try await state.set(name, to: what)
}
