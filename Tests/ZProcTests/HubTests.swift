// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization
import Testing
import ZProc

/// Contexts that programs share over an address.
@Suite(.tags(.state, .process), .timeLimit(.minutes(5))) struct HubTests {
    /// Runs `body` with a published context and another one that has joined it.
    private func withHub(
        _ backend: Backend = .threads,
        at address: String = "tcp://127.0.0.1:*",
        state: StateOptions = StateOptions(),
        options: HubOptions = HubOptions(),
        credentials: Credentials? = nil,
        clientBackend: Backend = .threads,
        clientOptions: ContextOptions = ContextOptions(),
        _ body: (_ hub: Context, _ client: Context) async throws -> Void
    ) async throws {
        try await withContext(backend, state: state) { hub in
            let place = try hub.publish(at: address, options)
            try await withContext(
                connectingTo: place,
                credentials: credentials,
                backend: clientBackend,
                options: clientOptions
            ) { client in
                try await body(hub, client)
            }
        }
    }

    /// An actor that has asked may be busy when it is answered.
    @Test func whoIsBusyHoldsNoPlaceAmongTheCallsInFlight() async throws {
        try await withContext(.threads) { hub in
            var options = ContextOptions()
            options.callsInFlight = 1
            let address = try hub.publish(at: "tcp://127.0.0.1:*")
            try await withContext(connectingTo: address, backend: .threads, options: options) { client in
                let busy = BusyActor(), state = client.state
                let first = Task { try await busy.increment("first", of: state) }
                try await eventually { try await hub.state.get("first", default: 0) == 1 }
                let second = Task { try await state.increment("second") }
                try await eventually { try await hub.state.get("second", default: 0) == 1 }
                #expect(try await second.value == 1)
                busy.goOn()
                #expect(try await first.value == 1)
            }
        }
    }

    @Test func aClientEndsWithItsScope() async throws {
        try await withContext(.threads) { hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*")
            let (state, count) = try await withContext(connectingTo: address, backend: .threads) { client in
                (client.state, try await client.state.increment("count"))
            }
            #expect(count == 1)
            let error = try await #require(throws: TransportError.self) { try await state.increment("count") }
            #expect(error.code == .closed)
            #expect(try await hub.state.get("count", as: Int.self) == 1)
            struct Reason: Error {}
            await #expect(throws: Reason.self) {
                try await withContext(connectingTo: address, backend: .threads) { client in
                    try await client.state.increment("count")
                    throw Reason()
                }
            }
            #expect(try await hub.state.get("count", as: Int.self) == 2)
        }
        await #expect(throws: TransportError.self) {
            try await withContext(connectingTo: "tcp://127.0.0.1:1", patience: .zero) { _ in
                Issue.record("nobody is there")
            }
        }
    }

    @Test(arguments: StateOptions.Engine.allCases.filter { $0 != .automatic }, HubWay.allCases)
    func stateConformsThroughAHub(_ engine: StateOptions.Engine, over way: HubWay) async throws {
        try await withTemporaryDirectory { directory in
            let state = StateOptions(engine: engine)
            try await withHub(at: way.address(in: directory), state: state, clientOptions: way.options) { _, client in
                try await StateConformance.run(client.state)
            }
        }
    }

    @Test(arguments: StateOptions.Engine.allCases.filter { $0 != .automatic }, [HubWay.tcp, .nearby])
    func watchesConformThroughAHub(_ engine: StateOptions.Engine, over way: HubWay) async throws {
        var options = StateOptions(engine: engine)
        options.history.count = WatchConformance.historyCount
        try await withHub(state: options, clientOptions: way.options) { _, client in
            try await WatchConformance.run(client.state)
        }
    }

    @Test(arguments: Backend.allCases)
    func whatAClientSpawnsSharesTheState(on backend: Backend) async throws {
        try await withHub(clientBackend: backend) { hub, client in
            let state = client.state
            try await hub.state.set("greeting", to: "hello")
            let seen = try await client.spawn { () -> String in
                try await state.increment("bodies")
                try await state.update { $0["by", default: 0] += 2 }
                return try await state.get("greeting", default: "")
            }.value
            #expect(seen == "hello")
            #expect(try await hub.state.get("bodies", as: Int.self) == 1)
            #expect(try await hub.state.get("by", as: Int.self) == 2)
        }
    }

    @Test func resultsAreFoundFromElsewhere() async throws {
        try await withHub { hub, client in
            let result = try await hub.swarm(workers: 1).submit(6, 7) { $0 * $1 }
            #expect(try await client.taskResult(result.id, of: Int.self).value == 42)
            #expect(try await client.taskResults().map(\.id) == [result.id])
        }
    }

    @Test func aHubTellsAboutItself() async throws {
        try await withHub(.processes, clientBackend: .threads) { hub, client in
            try await hub.state.set("key", to: 1)
            let sleeper = try await hub.spawn(name: "sleeper") { try await Task.sleep(for: .seconds(1_000)) }
            try await eventually { sleeper.pid != nil }
            let (info, roundTrip) = try await client.ping()
            #expect(info.processID == Int(getpid()))
            #expect(info.clients == 1)
            #expect(info.namespaces == 1)
            #expect(roundTrip > .zero)
            let processes = try await client.hubProcesses()
            #expect(processes.map(\.name) == ["hub", "sleeper"])
            let pid = try #require(sleeper.pid)
            #expect(processes.last?.processID == pid)
            // One that is just being started has none yet.
            try await eventually { try await client.hubProcesses().allSatisfy { $0.memory > 0 } }
            #expect(try await client.stopHubProcess(pid))
            try await eventually { !isAlive(pid) }
            #expect(try await !client.stopHubProcess(pid))
        }
    }

    @Test func nobodyThereIsAnErrorAtOnce() async throws {
        await #expect(throws: TransportError.self) {
            _ = try await Context(connectingTo: "tcp://127.0.0.1:1", backend: .threads)
        }
        await #expect(throws: TransportError.self) { _ = try await Context(connectingTo: "nonsense") }
    }

    @Test func anAddressInUseNamesItsProcess() async throws {
        try await withTemporaryDirectory { directory in
            let address = "ipc://\(directory)/hub"
            try await withContext(.threads) { first in
                try first.publish(at: address)
                try await withContext(.threads) { second in
                    let error = #expect(throws: TransportError.self) { try second.publish(at: address) }
                    #expect(error?.code == .addressInUse)
                    #expect(error?.message.contains("process \(getpid()) listens") == true)
                }
            }
            // Left behind by a hub that was killed.
            try leaveSocket(at: "\(directory)/hub")
            try await withContext(.threads) { third in
                try third.publish(at: address)
                let client = try await Context(connectingTo: address, backend: .threads)
                try await client.state.set("key", to: 1)
                await client.shutdown()
            }
        }
    }

    // MARK: Keys

    private struct Keys {
        let hub: KeyPair, reader: KeyPair, writer: KeyPair, runner: KeyPair, stranger: KeyPair

        init() throws {
            (hub, reader, writer) = (try .generate(), try .generate(), try .generate())
            (runner, stranger) = (try .generate(), try .generate())
        }

        var options: HubOptions {
            let allowed: [PublicKey: Role] = [
                reader.publicKey: .reader, writer.publicKey: .writer, runner.publicKey: .runner,
            ]
            return HubOptions(keys: HubKeys(own: hub, allowed: allowed))
        }

        func credentials(_ own: KeyPair) -> Credentials { Credentials(own: own, hub: hub.publicKey) }
    }

    @Test func keysSayWhoMayDoWhat() async throws {
        let keys = try Keys()
        try await withContext(.threads) { hub in
            try await hub.state.set("key", to: 1)
            let address = try hub.publish(at: "tcp://127.0.0.1:*", keys.options)
            func forbidden(_ body: () async throws -> Void) async {
                let error = await #expect(throws: CallError.self) { try await body() }
                #expect(error?.code == .forbidden)
                #expect(error.map { CallOutcome(of: $0) } == .notSent)
            }
            func client(_ pair: KeyPair) async throws -> Context {
                try await Context(connectingTo: address, credentials: keys.credentials(pair), backend: .threads)
            }
            let reader = try await client(keys.reader)
            #expect(try await reader.state.get("key", as: Int.self) == 1)
            #expect(try await reader.state.snapshot().count == 1)
            await forbidden { try await reader.state.set("key", to: 2) }
            await forbidden { try await reader.state.drop() }
            await forbidden { try await reader.state.update { $0["key"] = 2 } }
            let writer = try await client(keys.writer)
            try await writer.state.increment("key")
            await forbidden { try await writer.state.update { $0["key"] = 9 } }
            await forbidden { _ = try await writer.stopHubProcess(1) }
            let runner = try await client(keys.runner)
            try await runner.state.update { $0["key", default: 0] += 1 }
            #expect(try await hub.state.get("key", as: Int.self) == 3)
            for context in [reader, writer, runner] { await context.shutdown() }
        }
    }

    @Test func strangersAreTurnedAway() async throws {
        let keys = try Keys()
        try await withContext(.threads) { hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*", keys.options)
            let wrongHub = Credentials(own: keys.runner, hub: keys.stranger.publicKey)
            for credentials in [keys.credentials(keys.stranger), nil, wrongHub] {
                let error = await #expect(throws: TransportError.self) {
                    _ = try await Context(connectingTo: address, credentials: credentials, backend: .threads)
                }
                #expect([.refused, .unreachable].contains(error?.code))
            }
            // The others are not harmed.
            let client = try await Context(
                connectingTo: address,
                credentials: keys.credentials(keys.writer),
                backend: .threads
            )
            try await client.state.set("key", to: 1)
            await client.shutdown()
        }
    }

    @Test func bodiesOfAClientHaveItsKeys() async throws {
        let keys = try Keys()
        try await withHub(options: keys.options, credentials: keys.credentials(keys.writer), clientBackend: .processes)
        {
            hub,
            client in
            let state = client.state
            try await client.spawn { try await state.set("from", to: "a body") }.value
            #expect(try await hub.state.get("from", as: String.self) == "a body")
        }
    }

    @Test(arguments: ["tcp://*:0", "tcp://0.0.0.0:*", "tcp://[::]:*", "tcp://10.1.2.3:5555"])
    func nothingIsOpenToOthersWithoutKeys(_ address: String) async throws {
        try await withContext(.threads) { hub in
            let error = #expect(throws: TransportError.self) { try hub.publish(at: address) }
            #expect(error?.code == .refused)
            #expect(error?.message.contains("keys") == true)
        }
        #expect(throws: TransportError.self) { _ = try Context(.processes, address: address) }
    }

    @Test func secretsShowNowhere() throws {
        let pair = try KeyPair.generate(), secret = pair.secretText
        var text = "\(pair) \(String(reflecting: pair))"
        dump(pair, to: &text)
        dump(Credentials(own: pair, hub: pair.publicKey), to: &text)
        dump(HubOptions(keys: HubKeys(own: pair, allowed: [:])), to: &text)
        #expect(!text.contains(secret))
        #expect(text.contains(pair.publicKey.description))
    }

    @Test func keysAreWrittenDown() async throws {
        try await withTemporaryDirectory { directory in
            var file = KeyFile(own: try .generate(), hub: try KeyPair.generate().publicKey)
            file.allowed[try KeyPair.generate().publicKey] = .reader
            let path = "\(directory)/keys"
            try file.write(to: path)
            let read = try KeyFile(path: path)
            #expect(read.own == file.own)
            #expect(read.hub == file.hub)
            #expect(read.allowed == file.allowed)
            #expect(throws: KeyFileError.self) { try file.write(to: path) }
            chmod(path, 0o644)
            let error = #expect(throws: KeyFileError.self) { _ = try KeyFile(path: path) }
            #expect(error?.description.contains("chmod 600") == true)
            for text in ["", "secret x", "secret \(file.own.secretText)", file.text + "allow x writer\n", "other y"] {
                let error = #expect(throws: KeyFileError.self) { _ = try KeyFile(text: text) }
                #expect(error?.description.contains(file.own.secretText) == false)
            }
        }
    }

    // MARK: Limits

    @Test(arguments: [HubWay.tcp, .nearby]) func limitsAreErrorsAndNothingElse(over way: HubWay) async throws {
        var options = HubOptions()
        options.limits.namespaces = 2
        options.limits.callsInFlight = 3
        options.limits.messageByteCount = 1 << 20
        try await withHub(options: options, clientOptions: way.options) { hub, client in
            func overLimit(_ body: () async throws -> Void) async {
                let error = await #expect(throws: CallError.self) { try await body() }
                #expect(error?.code == .overLimit)
            }
            for name in ["one", "two"] { try await client.state(namespace: name).set("key", to: 1) }
            await overLimit { try await client.state(namespace: "three").set("key", to: 1) }
            try await client.state(namespace: "one").set("key", to: 2)
            // Watches are calls that wait, once they have begun.
            let state = client.state(namespace: "one"), seen = Seen(), seenLast = Seen()
            let watches = (0..<3).map { number in
                Task {
                    for try await change in client.state(namespace: "w\(number)").changes() {
                        seen.insert(number)
                        if change.after["last"] != nil { seenLast.insert(number) }
                    }
                }
            }
            try await eventually {
                for number in 0..<3 { try await hub.state(namespace: "w\(number)").increment("count") }
                return seen.count == 3
            }
            // When nothing is left to be told, each asks once more and waits.
            for number in 0..<3 { try await hub.state(namespace: "w\(number)").set("last", to: true) }
            try await eventually { seenLast.count == 3 }
            try await eventually { try await client.ping().hub.callsInFlight == 3 }
            await overLimit { _ = try await state.snapshot() }
            #expect(try await state.get("key", as: Int.self) == 2)
            for watch in watches { watch.cancel() }
            try await eventually { try await client.ping().hub.callsInFlight == 0 }
            #expect(try await state.snapshot().count == 1)
        }
    }

    /// Also those that come in one piece.
    @Test(arguments: Backend.allCases)
    func namespacesThatComeBackAreCountedToo(on backend: Backend) async throws {
        var options = HubOptions()
        options.limits.namespaces = 2
        try await withContext(backend) { hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*", options)
            try await withContext(connectingTo: address, backend: .threads) { client in
                let (a, b, c) = (
                    client.state(namespace: "a"), client.state(namespace: "b"), client.state(namespace: "c")
                )
                try await a.set("key", to: 1)
                try await b.set("key", to: 1)
                try await a.drop()
                try await c.set("key", to: 1)
                let error = try await #require(throws: CallError.self) { try await a.set("key", to: 2) }
                #expect(error.code == .overLimit)
                // What makes nothing is no further one.
                #expect(try await a.remove("key", as: Int.self) == nil)
                try await a.clear()
                #expect(try await a.compareAndSet("key", expecting: 1, to: 2) == false)
                try await b.drop()
                try await a.set("key", to: 3)
                #expect(try await hub.namespaces() == ["a", "c"])
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func namespacesInFlightAreCounted(on backend: Backend) async throws {
        var options = HubOptions()
        options.limits.namespaces = 20
        try await withContext(backend) { hub in
            let client = try await Context(connectingTo: try hub.publish(at: "tcp://127.0.0.1:*", options))
            let made = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<300 {
                    group.addTask {
                        do {
                            let state = client.state(namespace: "number \(number)")
                            switch number % 3 {
                            case 0: try await state.set("key", to: number)
                            case 1: try await state.update { $0["key", default: 0] += 1 }
                            default: try await state.merge(["key": number])
                            }
                            return true
                        } catch let error as CallError where error.code == .overLimit {
                            return false
                        }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(made == 20)
            let names = try await hub.namespaces()
            #expect(names.count == 20)
            // One that is there is no further one.
            try await client.state(namespace: names[0]).set("another key", to: 1)
            await client.shutdown()
        }
    }

    /// What has been answered does not count any more.
    @Test func asManyCallsAsThereMayBeAreNeverTooMany() async throws {
        var options = HubOptions()
        options.limits.callsInFlight = 1
        try await withContext(.threads) { hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*", options)
            try await withThrowingTaskGroup(of: Void.self) { group in
                // So many that threads are taken off their processors at any place.
                for _ in 0..<8 {
                    group.addTask {
                        let client = try await Context(connectingTo: address, backend: .threads)
                        for _ in 0..<300 { _ = try await client.state.snapshot() }
                        await client.shutdown()
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test(arguments: [HubWay.tcp, .nearby]) func aClientThatAsksTooOftenIsSlowedDown(over way: HubWay) async throws {
        var options = HubOptions()
        options.limits.requestsPerSecond = 5
        try await withHub(options: options, clientOptions: way.options) { _, client in
            // All at once, so that a slow machine does not spread them out.
            let refused = await withTaskGroup(of: CallError?.self) { group in
                for _ in 0..<200 {
                    group.addTask {
                        do { _ = try await client.state.contains("key") } catch { return error as? CallError }
                        return nil
                    }
                }
                return await group.reduce(into: 0) { count, error in
                    if error?.code == .overLimit { count += 1 }
                }
            }
            #expect(refused > 0)
            // And can go on when it has waited.
            try await eventually {
                do { _ = try await client.state.contains("key") } catch is CallError { return false }
                return true
            }
        }
    }

    @Test(arguments: [HubWay.tcp, .nearby]) func tooLargeAMessageCutsOffItsSenderOnly(over way: HubWay) async throws {
        var options = HubOptions()
        options.limits.messageByteCount = 1 << 20
        try await withContext(.threads) { hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*", options)
            let greedy = try await Context(
                connectingTo: address,
                backend: .threads,
                options: way.options,
                patience: .milliseconds(200)
            )
            let honest = try await Context(connectingTo: address, backend: .threads, options: way.options)
            await #expect(throws: TransportError.self) {
                try await greedy.state.set("key", to: [UInt8](repeating: 1, count: 4 << 20))
            }
            try await honest.state.set("key", to: 1)
            try await greedy.state.set("key", to: 2)
            #expect(try await honest.state.get("key", as: Int.self) == 2)
            for context in [greedy, honest] { await context.shutdown() }
        }
    }
}

/// Which watches have begun.
private final class Seen: Sendable {
    private let numbers = Mutex<Set<Int>>([])
    var count: Int { numbers.withLock { $0.count } }
    func insert(_ number: Int) { numbers.withLock { _ = $0.insert(number) } }
}

/// Has a thread of its own, which is busy from its call on until it may go on.
private actor BusyActor {
    private final class Executor: SerialExecutor {
        let queue = DispatchQueue(label: "busy")

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
        }
    }

    private let executor = Executor()
    private let gate = DispatchSemaphore(value: 0)
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    func increment(_ key: String, of state: SharedState) async throws -> Int {
        // Behind what runs now, ahead of what comes after the answer.
        executor.queue.async { [gate] in gate.wait() }
        return try await state.increment(key)
    }

    nonisolated func goOn() { gate.signal() }
}
