// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Distributed
import Glibc
import Testing
import ZProc
import ZProcCore

/// Hosts, names, ends, deadlines and restarts of actors, the same on every backend.
@Suite(.tags(.actors), .timeLimit(.minutes(5))) struct HostedActorTests {
    @Test(arguments: Backend.allCases)
    func aHostHasSeveralActors(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let host = try await context.actorHost(name: "kitchen")
            let first = try await host.host { Counter(actorSystem: $0) }
            let second = try await host.host { Counter(actorSystem: $0) }
            #expect(first != second)
            #expect(try await first.pid() == host.pid)
            #expect(try await second.pid() == host.pid)
            #expect((host.pid == Int(getpid())) == (backend == .threads))
            #expect(try await first.increment(by: 1) == 1)
            #expect(try await second.increment(by: 2) == 2)
            #expect(try await first.call(second, by: 3) == 5)
            #expect(await host.isRunning)
            await host.stop()
            #expect(await !host.isRunning)
            #expect(await host.down.reason.isNormal)
            await #expect(throws: (any Error).self) { _ = try await host.host { Counter(actorSystem: $0) } }
        }
    }

    @Test(arguments: Backend.allCases)
    func anActorThatIsLetGoHasTerminated(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let host = try await context.actorHost()
            var counter: Counter? = try await host.host { Counter(actorSystem: $0) }
            let id = try #require(counter?.id)
            let isReleased = try await host.release(try #require(counter))
            #expect(isReleased)
            if backend == .threads {
                // It was held here, too.
                counter = nil
                #expect(throws: CallError.self) { try Counter.resolve(id: id, using: context.system) }
            } else {
                let end = try #require(try await counter?.terminated())
                guard case .ended = end else {
                    Issue.record("\(end)")
                    return
                }
                let error = try await #require(throws: CallError.self) { try await counter?.nothing() }
                #expect(error.code == .actorNotFound)
                let again = try await host.release(try #require(counter))
                #expect(!again)
            }
        }
    }

    @Test func onThreadsAnActorTerminatesWhenItIsLetGo() async throws {
        let caller = try Context(.threads), callee = try Context(.threads)
        var counter: Counter? = Counter(actorSystem: callee.system)
        let proxy = try ActorTests.proxy(of: try #require(counter), of: callee, at: caller)
        let waiting = Task { "\(try await proxy.terminated())" }
        #expect(try await proxy.increment(by: 1) == 1)
        counter = nil
        #expect(try await waiting.value == "ended")
        #expect(try await "\(proxy.terminated())" == "ended")
        await callee.shutdown()
        guard case .processGone = try await proxy.terminated() else {
            Issue.record("its system is still there")
            return
        }
        await caller.shutdown()
    }

    @Test(arguments: Backend.allCases)
    func aSupervisedActorTerminatesWhenItIsRemoved(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let supervisor = try context.supervisor()
            let counter = try await supervisor.host("counter") { Counter(actorSystem: $0) }
            let waiting = Task { _ = try await counter.terminated() }
            #expect(try await counter.increment(by: 1) == 1)
            try await supervisor.remove("counter")
            try await waiting.value
        }
    }

    /// What a lost host fails of, and `make` may as well: the end of the host is not waited for.
    @Test(arguments: ["unreachable", "peerGone", "tooLarge"])
    func anErrorOfMakeIsNoEndOfTheHost(_ code: String) async throws {
        try await withContext(.processes) { context in
            let host = try await context.actorHost()
            let counter = try await host.host { Counter(actorSystem: $0) }
            let hosting = Task {
                try await host.host { system in
                    if code == "unreachable" { throw TransportError(.unreachable, "mine") }
                    if code == "peerGone" { throw TransportError(.peerGone, "mine") }
                    if code == "tooLarge" { throw TransportError(.tooLarge, "mine") }
                    return Counter(actorSystem: system)
                }
            }
            let ended = Promise<Counter>()
            Task { ended.settle(await hosting.result) }
            // Calls are the clock: a wait for the end of the host is as long as a hundred thousand of them.
            for _ in 1...5_000 where ended.result == nil { _ = try await counter.increment(by: 1) }
            // An end that is still waited for becomes the error.
            await #expect(throws: TransportError.self) { try await counter.crash() }
            let error = await #expect(throws: TransportError.self) { try await ended.value() }
            #expect(error?.message == "mine")
        }
    }

    /// A host that comes back has a socket that is not named for its process.
    @Test func killedHostsLeaveNoFiles() async throws {
        try await withContext(.processes) { context in
            let directory = try String(context.address.dropFirst("ipc://".count).dropLast("/hub".count))
            let before = files(in: directory)
            let supervisor = try context.supervisor()
            let counter = try await supervisor.host("counter", restart: .temporary) { Counter(actorSystem: $0) }
            #expect(files(in: directory).contains { $0.hasPrefix("host-") })
            await #expect(throws: (any Error).self) { try await counter.crash() }
            try await eventually { files(in: directory) == before }

            // Under one that is killed with it.
            let state = context.state
            let owner = try await context.spawn {
                let inner = try await context.supervisor().host("counter") { Counter(actorSystem: $0) }
                try await state.set("inner", to: try await inner.pid())
                try await Task.sleep(for: .seconds(1_000))
            }
            let inner = try await state.first { $0.contains("inner") }.get("inner", default: 0)
            #expect(files(in: directory).contains { $0.hasPrefix("host-") })
            try owner.signal(SIGKILL)
            try await owner.wait()
            try await eventually { !exists(inner) }
            // The next start leaves nothing of those that could not tidy up.
            _ = try await context.spawn { 1 }.value
            #expect(files(in: directory) == before)
        }
    }

    @Test func theEndOfAProcessIsThatOfItsActors() async throws {
        try await withContext(.processes) { context in
            let counter = try await context.host { Counter(actorSystem: $0) }
            let cancelled = Task { try await counter.terminated() }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
            let waiting = Task { try await counter.terminated() }
            // Another process sees it, too.
            let other = try await context.spawn { "\(try await counter.terminated())" }
            kill(pid_t(try await counter.pid()), SIGKILL)
            guard case .processGone = try await waiting.value else {
                Issue.record("it ended otherwise")
                return
            }
            #expect(try await other.value != "ended")
        }
    }

    // MARK: Names

    @Test(arguments: Backend.allCases)
    func actorsAreFoundByName(on backend: Backend) async throws {
        try await withContext(backend) { context in
            #expect(try await context.lookup("bank", as: Counter.self) == nil)
            let counter = try await context.host { Counter(actorSystem: $0) }
            try await context.register(counter, as: "bank")
            try await context.register(counter, as: "bank")
            #expect(try await context.lookup("bank", as: Counter.self) == counter)
            let found = try await context.spawn { () -> Int in
                let bank = try await context.lookup("bank", as: Counter.self)
                return try await bank?.increment(by: 3) ?? 0
            }.value
            #expect(found == 3)

            let other = Counter(actorSystem: context.system)
            let taken = try await #require(throws: RegistryError.self) { try await context.register(other, as: "bank") }
            #expect(taken.code == .nameTaken)
            let wrong = try await #require(throws: RegistryError.self) {
                try await context.lookup("bank", as: Journal.self)
            }
            #expect(wrong.code == .wrongType)
            let isTaken = try await context.spawn { () -> Bool in
                let own = Counter(actorSystem: context.system)
                do {
                    try await context.register(own, as: "bank")
                    return false
                } catch is RegistryError {
                    return true
                }
            }.value
            #expect(isTaken)
            #expect(try await context.unregister("bank"))
            #expect(try await !context.unregister("bank"))
            try await context.register(other, as: "bank")
        }
    }

    @Test(arguments: Backend.allCases)
    func lookupsGiveEachActorThatGetsTheName(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let watcher = try await context.spawn { () -> Int in
                var sum = 0, count = 0
                for try await counter in context.lookups("next", as: Counter.self) {
                    sum += try await counter.increment(by: 0)
                    count += 1
                    try await state.set("seen", to: count)
                    if count == 3 { break }
                }
                return sum
            }
            var kept: [Counter] = []
            for number in 1...3 {
                let counter = try await context.host { Counter(actorSystem: $0) }
                kept.append(counter)
                _ = try await counter.increment(by: number)
                try await context.register(counter, as: "next")
                try await state.first { $0["seen", default: 0] == number }
                try await context.unregister("next")
            }
            #expect(try await watcher.value == 6)
        }
    }

    @Test func anActorsNameGoesWithIt() async throws {
        try await withContext(.processes) { context in
            let counter = try await context.host { Counter(actorSystem: $0) }
            try await context.register(counter, as: "mortal")
            await #expect(throws: (any Error).self) { try await counter.crash() }
            try await eventually { try await context.lookup("mortal", as: Counter.self) == nil }
            // Registered by a child, for an actor of its own.
            try await context.spawn {
                let own = Counter(actorSystem: context.system)
                try await context.register(own, as: "short")
                _ = try await own.increment(by: 1)
            }.value
            try await eventually { try await context.lookup("short", as: Counter.self) == nil }
        }
    }

    // MARK: Calls

    @Test(arguments: Backend.allCases)
    func callsHaveDeadlines(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let counter = try await context.host { Counter(actorSystem: $0) }
            let error = try await #require(throws: CallError.self) {
                try await withCallDeadline(.milliseconds(50)) { try await counter.wait() }
            }
            #expect(error.code == .deadlineExceeded)
            #expect(try await withCallDeadline(.seconds(100)) { try await counter.increment(by: 2) } == 2)
            await #expect(throws: TestFailure(reason: "why")) {
                try await withCallDeadline(.seconds(100)) { try await counter.fail(reason: "why") }
            }
            let cancelled = Task { try await withCallDeadline(.seconds(100)) { try await counter.wait() } }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
        }
    }

    /// The system accepts for a process that is stopped, which then greets nobody.
    @Test func aDeadlineHoldsWhileNobodyGreets() async throws {
        try await withContext(.processes) { context in
            let counter = try await context.host { Counter(actorSystem: $0) }
            let pid = pid_t(try await counter.pid())
            kill(pid, SIGSTOP)
            let code = try await context.spawn { () -> CallError.Code? in
                do {
                    _ = try await withCallDeadline(.milliseconds(50)) { try await counter.increment(by: 1) }
                    return nil
                } catch let error as CallError {
                    return error.code
                }
            }.value
            #expect(code == .deadlineExceeded)
            kill(pid, SIGCONT)
            #expect(try await counter.increment(by: 1) == 1)
        }
    }

    @Test(arguments: Backend.allCases)
    func deadlinesAndPrioritiesCross(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let first = try await context.host { Journal(actorSystem: $0) }
            let second = try await context.host { Counter(actorSystem: $0) }
            // The outer one's time ends the inner one's call.
            await #expect(throws: CallError.self) {
                try await withCallDeadline(.milliseconds(50)) { try await first.outlast(second, state) }
            }
            try await state.first { $0.contains("inner ended") }
            #expect(try await Task(priority: .high) { try await first.priority() }.value >= TaskPriority.high.rawValue)
        }
    }

    @Test(arguments: Backend.allCases)
    func callsOfOneTaskArriveInOrder(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let journal = try await context.host { Journal(actorSystem: $0) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<4 {
                    group.addTask { for number in 0..<200 { try await journal.write(writer, number) } }
                }
                try await group.waitForAll()
            }
            let entries = try await journal.entries()
            #expect(entries.count == 800)
            for writer in 0..<4 { #expect(entries.filter { $0[0] == writer }.map { $0[1] } == Array(0..<200)) }
        }
    }

    @Test func onlySoManyCallsAreInFlight() async throws {
        var options = ContextOptions()
        options.callsInFlight = 3
        try await withContext(.processes, options: options) { context in
            let counter = try await context.host { Counter(actorSystem: $0) }
            let journal = try await context.host { Journal(actorSystem: $0) }
            let waiting = (0..<3).map { _ in Task { try await counter.wait() } }
            // A process of its own sees how many have come.
            try await eventually { try await context.spawn { try await counter.waitingCalls() }.value == 3 }
            let fourth = Task { try await counter.increment(by: 1) }
            let abandoned = Task { try await counter.increment(by: 1) }
            abandoned.cancel()
            await #expect(throws: CancellationError.self) { try await abandoned.value }
            // Calls to others are not held up.
            #expect(try await journal.entries().isEmpty)
            waiting[0].cancel()
            #expect(try await fourth.value == 1)
            for call in waiting { call.cancel() }
            let sum = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<50 { group.addTask { try await counter.increment(by: 0) } }
                return try await group.reduce(0, +)
            }
            #expect(sum == 50)
            // Who waits for room learns of the end.
            let stuck = (0..<5).map { _ in Task { try await counter.wait() } }
            try await eventually { try await context.spawn { try await counter.waitingCalls() }.value == 6 }
            await #expect(throws: (any Error).self) { try await context.spawn { try await counter.crash() }.value }
            for call in stuck { await #expect(throws: TransportError.self) { try await call.value } }
        }
    }

    @Test(arguments: Backend.allCases)
    func localActorsAreReachedDirectly(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let own = Counter(actorSystem: context.system)
            #expect(await own.whenLocal { $0.secret } == 42)
            let hosted = try await context.host { Counter(actorSystem: $0) }
            #expect(await hosted.whenLocal { $0.secret } == (backend == .threads ? 42 : nil))
        }
    }

    // MARK: Restarts

    /// Its address is that of the context, which is not in this process alone.
    @Test func aSupervisedActorLivesOnTheThreadsOfAClient() async throws {
        try await withContext(.threads) { hub in
            let client = try await Context(connectingTo: hub.publish(at: "tcp://127.0.0.1:*"), backend: .threads)
            let supervisor = try client.supervisor()
            let counter = try await supervisor.host("counter") { Counter(actorSystem: $0) }
            #expect(try await counter.increment(by: 2) == 2)
            await client.shutdown()
        }
    }

    @Test(arguments: [nil, "tcp://127.0.0.1:*"])
    func aSupervisedActorComesBackUnderItsProxy(address: String?) async throws {
        try await withContext(.processes, address: address) { context in
            let supervisor = try context.supervisor(.oneForOne, intensity: RestartIntensity(100, within: .seconds(1)))
            let counter = try await supervisor.host("counter") { Counter(actorSystem: $0) }
            try await context.register(counter, as: "counter")
            let elsewhere = try await context.host { Counter(actorSystem: $0) }
            #expect(try await counter.itself() == counter)
            for round in 1...5 {
                #expect(try await counter.increment(by: 1) == 1)
                #expect(try await elsewhere.call(counter, by: 1) == 2)
                let pid = try await counter.pid()
                try await eventually { supervisor.children.first?.pid == pid }
                // It may have run: that call fails.
                await #expect(throws: TransportError.self) { try await counter.crash() }
                // Later ones wait for the actor's return, whoever makes them and has noticed the end.
                try await eventually { try await gone { try await elsewhere.call(counter, by: 10) } == 10 }
                let restarted = try await counter.pid()
                #expect(restarted != pid, "round \(round)")
                let found = try #require(try await context.lookup("counter", as: Counter.self))
                #expect(try await found.increment(by: -10) == 0)
            }
            try await supervisor.remove("counter")
            #expect(try await context.lookup("counter", as: Counter.self) == nil)
        }
    }

    @Test(arguments: Backend.allCases)
    func anActorIsRestartedWithItsSiblings(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let supervisor = try context.supervisor(.oneForAll, intensity: RestartIntensity(5, within: .seconds(100)))
            let counter = try await supervisor.host("counter") { Counter(actorSystem: $0) }
            try await supervisor.spawn("sibling") {
                try await state.first { $0.contains("fail") }
                try await state.remove("fail")
                throw TestFailure(reason: "fail")
            }
            #expect(try await counter.increment(by: 7) == 7)
            try await state.set("fail", to: true)
            try await eventually { supervisor.children.first?.incarnation == 2 }
            try await eventually { try await gone { try await counter.increment(by: 0) } == 0 }
            await supervisor.stop()
        }
    }
}

/// What a call gives; nil when it was under way as its peer ended.
func gone<Result>(_ call: () async throws -> Result) async throws -> Result? {
    do {
        return try await call()
    } catch let error as TransportError where error.code == .peerGone {
        return nil
    }
}

distributed actor Journal {
    typealias ActorSystem = ZProcSystem
    private var written: [[Int]] = []

    distributed func write(_ writer: Int, _ number: Int) { written.append([writer, number]) }
    distributed func entries() -> [[Int]] { written }
    distributed func priority() -> UInt8 { Task.currentPriority.rawValue }
    distributed func outlast(_ other: Counter, _ state: SharedState) async throws {
        do {
            try await other.wait()
        } catch {
            try await state.set("inner ended", to: "\(error)")
            throw error
        }
    }
}
