// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Distributed
import Glibc
import MessagePack
import Synchronization
import Testing
import ZProc
import ZProcCore

distributed actor Counter {
    typealias ActorSystem = ZProcSystem
    private var count = 0
    let secret = 42

    distributed func increment(by number: Int) -> Int {
        count += number
        return count
    }

    distributed func pid() -> Int { Int(getpid()) }
    distributed func nothing() {}
    distributed func join(_ words: [String], with separator: String, times: Int) -> String {
        Array(repeating: words.joined(separator: separator), count: times).joined(separator: separator)
    }
    distributed func echo<Value: Codable & Sendable>(_ value: Value) -> Value { value }
    distributed func pair<A: Codable & Sendable, B: Codable & Sendable>(_ first: A, _ second: [B]) -> [String: B] {
        second.first.map { ["\(first)": $0] } ?? [:]
    }
    distributed func fail(reason: String) throws { throw TestFailure(reason: reason) }
    distributed func failPlainly() throws -> Int { throw PlainError(description: "plain") }
    distributed func call(_ other: Counter, by number: Int) async throws -> Int {
        try await other.increment(by: number)
    }
    distributed func itself() -> Counter { self }
    private var waiting = 0
    distributed func wait() async throws {
        waiting += 1
        try await Task.sleep(for: .seconds(1_000))
    }
    distributed func waitingCalls() -> Int { waiting }
    distributed func waitAndTell(_ state: SharedState) async throws {
        try await state.set("waiting", to: true)
        do {
            try await Task.sleep(for: .seconds(1_000))
        } catch {
            try await state.set("cancelled", to: true)
            throw error
        }
    }
    distributed func crash() { kill(getpid(), SIGKILL) }
}

private distributed actor Switchboard {
    typealias ActorSystem = ZProcSystem
    distributed func one() -> Int { 1 }
    distributed func two() -> Int { 2 }
    distributed func three() -> Int { 3 }
    distributed func four() -> Int { 4 }
    distributed func five() -> Int { 5 }
    distributed func six() -> Int { 6 }
    distributed func seven() -> Int { 7 }
    distributed func eight() -> Int { 8 }
    distributed func nine() -> Int { 9 }
    distributed func ten() -> String { "10" }
}

@Suite(.tags(.actors), .timeLimit(.minutes(5))) struct ActorTests {
    /// What a system knows of methods that have been called, and where it looks, depends on how many there are.
    @Test(arguments: Backend.allCases)
    func eachOfManyMethodsIsFoundAgain(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let board = try await context.host { Switchboard(actorSystem: $0) }
            for _ in 1...3 {
                let low = try await [board.one(), board.two(), board.three(), board.four(), board.five()]
                let high = try await [board.six(), board.seven(), board.eight(), board.nine()]
                #expect(low + high == Array(1...9))
                #expect(try await board.ten() == "10")
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func hostedActorsConform(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let counter = try await context.host { Counter(actorSystem: $0) }
            #expect(try await (counter.pid() == Int(getpid())) == (backend == .threads))
            try await Self.conforms(counter, context)
        }
    }

    /// Two systems in one process, joined by the in-process transport.
    @Test func actorsConformOverTheInProcessTransport() async throws {
        let caller = try Context(.threads), callee = try Context(.threads)
        let counter = Counter(actorSystem: callee.system)
        let proxy = try Self.proxy(of: counter, of: callee, at: caller)
        try await Self.conforms(proxy, caller)
        await caller.shutdown()
        await callee.shutdown()
    }

    /// Two systems in one process, joined by sockets.
    @Test(arguments: [nil, "tcp://127.0.0.1:*"])
    func actorsConformOverZeroMQ(address: String?) async throws {
        let caller = try Context(.processes, address: address), callee = try Context(.processes, address: address)
        let counter = Counter(actorSystem: callee.system)
        let proxy = try Self.proxy(of: counter, of: callee, at: caller)
        try await Self.conforms(proxy, caller)
        await caller.shutdown()
        await callee.shutdown()
    }

    /// A proxy as it travels; with an endpoint, of an actor that is to be reached there.
    static func proxy<Act: DistributedActor>(
        of actor: Act,
        of callee: Context,
        at caller: Context,
        by endpoint: Endpoint? = nil
    ) throws -> Act where Act.ID == ActorID, Act.ActorSystem == ZProcSystem {
        var encoder = MessagePackEncoder(), decoder = MessagePackDecoder()
        encoder.userInfo[.actorSystemKey] = callee.system
        decoder.userInfo[.actorSystemKey] = caller.system
        var bytes = try encoder.encode(actor.id)
        if let endpoint {
            var parts = try decoder.decode([Value].self, from: bytes)
            parts[2] = .string(endpoint.description)
            bytes = try encoder.encode(parts)
        }
        return try Act.resolve(id: decoder.decode(ActorID.self, from: bytes), using: caller.system)
    }

    static func conforms(_ counter: Counter, _ context: Context) async throws {
        #expect(try await counter.increment(by: 2) == 2)
        #expect(try await counter.increment(by: 3) == 5)
        try await counter.nothing()
        #expect(try await counter.join(["a", "b"], with: "-", times: 2) == "a-b-a-b")
        #expect(try await counter.echo(["x": [1.5]]) == ["x": [1.5]])
        #expect(try await counter.echo(Secret(value: 4)) == Secret(value: 4))
        #expect(try await counter.pair(1, [Secret(value: 2)]) == ["1": Secret(value: 2)])
        let large = [UInt8](repeating: 3, count: 8 << 20)
        #expect(try await counter.echo(large) == large)

        await #expect(throws: TestFailure(reason: "why")) { try await counter.fail(reason: "why") }
        await #expect(throws: (any Error).self) { try await counter.failPlainly() }

        // Callee to caller, and proxies as arguments and results.
        let own = Counter(actorSystem: context.system)
        #expect(try await counter.call(own, by: 7) == 7)
        #expect(try await own.increment(by: 1) == 8)
        #expect(try await counter.itself() == counter)
        #expect(try await counter.echo(own) == own)
        #expect(try await counter.call(counter, by: 5) == 10)

        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<500 { group.addTask { try await counter.echo(number) } }
            return try await group.reduce(0, +)
        }
        #expect(sum == 124_750)
    }

    @Test func actorsOfSpawnedBodiesCallEachOther() async throws {
        try await withContext(.processes) { context in
            let first = try await context.host { Counter(actorSystem: $0) }
            let second = try await context.host { Counter(actorSystem: $0) }
            #expect(try await first.pid() != second.pid())
            #expect(try await first.call(second, by: 4) == 4)
            #expect(try await context.spawn { try await second.increment(by: 1) }.value == 5)
        }
    }

    @Test func aPeersDeathFailsWaitingCallsAtOnce() async throws {
        try await withContext(.processes) { context in
            let counter = try await context.host { Counter(actorSystem: $0) }
            let pid = try await counter.pid()
            let waiting = (0..<10).map { _ in Task { try await counter.wait() } }
            try await eventually { try await counter.waitingCalls() == 10 }
            kill(pid_t(pid), SIGKILL)
            for call in waiting {
                let error = try await #require(throws: TransportError.self) { try await call.value }
                #expect(error.code == .peerGone)
            }
            let error = try await #require(throws: TransportError.self) { try await counter.increment(by: 1) }
            #expect(error.code == .unreachable || error.code == .peerGone, "\(error)")
        }
    }

    @Test(arguments: Backend.allCases)
    func cancellingACallReachesTheActor(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let counter = try await context.host { Counter(actorSystem: $0) }
            let call = Task { try await counter.waitAndTell(state) }
            try await eventually { try await state.contains("waiting") }
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
            try await eventually { try await state.contains("cancelled") }
        }
    }

    @Test func anActorThatHasGoneIsATypedError() async throws {
        let caller = try Context(.threads), callee = try Context(.threads)
        var counter: Counter? = Counter(actorSystem: callee.system)
        let proxy = try Self.proxy(of: #require(counter), of: callee, at: caller)
        #expect(try await proxy.increment(by: 1) == 1)
        weak let gone = counter
        counter = nil
        // The task that has answered holds it for a moment more.
        try await eventually { gone == nil }
        let error = try await #require(throws: CallError.self) { try await proxy.increment(by: 1) }
        #expect(error.code == .actorNotFound)
        await caller.shutdown()
        await callee.shutdown()
    }

    /// The last reference to an actor goes while others call it: each is answered, or told that it has gone.
    @Test func anActorMayEndWhileItIsCalled() async throws {
        let caller = try Context(.threads), callee = try Context(.threads)
        for _ in 0..<200 {
            let counter = Slot(Counter(actorSystem: callee.system))
            let proxy = try Self.proxy(of: #require(counter.take(leaving: true)), of: callee, at: caller)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        let error = await #expect(throws: CallError.self) {
                            while true { _ = try await proxy.increment(by: 1) }
                        }
                        #expect(error?.code == .actorNotFound)
                    }
                }
                group.addTask { _ = counter.take(leaving: false) }
                try await group.waitForAll()
            }
        }
        await caller.shutdown()
        await callee.shutdown()
    }

    /// Holds the last reference to an actor.
    private final class Slot: Sendable {
        private let actor: Mutex<Counter?>

        init(_ actor: Counter) { self.actor = Mutex(actor) }

        func take(leaving stays: Bool) -> Counter? {
            actor.withLock { actor in
                defer { if !stays { actor = nil } }
                return actor
            }
        }
    }

    @Test func errorsOfAHostedActorsMakingReachTheHost() async throws {
        try await withContext(.processes) { context in
            await #expect(throws: TestFailure(reason: "no oven")) {
                _ = try await context.host { system -> Counter in
                    if getpid() > 0 { throw TestFailure(reason: "no oven") }
                    return Counter(actorSystem: system)
                }
            }
            let error = try await #require(throws: ProcessTermination.self) {
                _ = try await context.host { _ -> Counter in exit(9) }
            }
            #expect(error.cause == .exit(status: 9))
        }
    }
}

private struct Secret: Codable, Sendable, Equatable { var value: Int }

/// Handles captured alone and among others.
@Suite(.tags(.process), .timeLimit(.minutes(5))) struct CapturedHandleTests {
    @Test(arguments: Backend.allCases)
    func aStateAlone(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            try await context.spawn { try await state.set("x", to: 1) }.value
            #expect(try await state.get("x", as: Int.self) == 1)
        }
    }

    @Test(arguments: Backend.allCases)
    func aContextAlone(on backend: Backend) async throws {
        try await withContext(backend) { context in
            try await context.spawn { try await context.state.set("x", to: context.backend.rawValue) }.value
            #expect(try await context.state.get("x", as: String.self) == backend.rawValue)
        }
    }

    @Test(arguments: Backend.allCases)
    func anActorAlone(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let counter = Counter(actorSystem: context.system)
            let process = try await context.spawn { try await counter.increment(by: 2) }
            #expect(try await process.value == 2)
            #expect(try await counter.increment(by: 1) == 3)
        }
    }

    @Test(arguments: Backend.allCases)
    func allTogetherAndInClosures(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state, counter = Counter(actorSystem: context.system), number = Int(getpid())
            let add: @Sendable (Int) async throws -> Int = { try await counter.increment(by: $0 + (number - number)) }
            let states = ["a": state, "b": context.state(namespace: "b")]
            let sum = try await context.spawn([counter]) { counters in
                try await state.set("pid", to: number)
                try await states["b"]?.set("inner", to: context.state.namespace)
                return try await add(1) + counters[0].increment(by: 10) + number
            }.value
            #expect(sum == 1 + 11 + number)
            #expect(try await state.get("pid", as: Int.self) == number)
            #expect(try await context.state(namespace: "b").get("inner", as: String.self) == "default")
        }
    }
}
