// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import MessagePack
import ZProc

/// What is done very often, and whose instructions are counted.
enum HotPath: String, CaseIterable, Codable {
    case encode, decode
    case getInMemory = "get.memory"
    case updateInMemory = "update.memory"
    case getShared = "get.shared"
    case setShared = "set.shared"
    case updateShared = "update.shared"
    case getByMessage = "get.messages"
    case updateByMessage = "update.messages"
    case updateInFlight = "update.inflight"
    case closureByMessage = "update.closure"
    case dispatchLocal = "dispatch.threads"
    case dispatchByMessage = "dispatch.messages"
    case dispatchInFlight = "dispatch.inflight"
    case task = "swarm.task.threads"
    case decodeFloor = "floor.decode"
    case dispatchFloor = "floor.dispatch"
    case dispatchInFlightFloor = "floor.inflight"

    /// What one is.
    var summary: String {
        switch self {
        case .encode: "a struct of 7 fields to MessagePack"
        case .decode: "the same struct from MessagePack"
        case .getInMemory: "a number of the state, in this process's memory"
        case .updateInMemory: "an atomic update of a number there"
        case .getShared: "a number of the state in shared memory"
        case .setShared: "a number written there"
        case .updateShared: "an atomic update of a number there"
        case .getByMessage: "a number of a hub's state, both ends together"
        case .updateByMessage: "an atomic increment there, both ends together"
        case .updateInFlight: "an increment of shared memory by its owner, 1,000 in flight, both ends together"
        case .closureByMessage: "an atomic update there by a closure, both ends together"
        case .dispatchLocal: "a call of a distributed actor of this process"
        case .dispatchByMessage: "a call of a distributed actor of another system, both ends together"
        case .dispatchInFlight: "the same with 1,000 calls in flight"
        case .task: "a task of a swarm of threads"
        case .decodeFloor: "what `Codable` and the values take of decode: nothing is read"
        case .dispatchFloor: "what the language takes of a call: nothing is encoded or sent"
        case .dispatchInFlightFloor: "the same with 1,000 calls in flight"
        }
    }

    /// How many to do: so many that their start does not count, so few that it is done soon.
    var repetitions: Int {
        switch self {
        case .encode, .decode, .decodeFloor: 10 * StructSample.count
        case .getInMemory, .getShared, .dispatchLocal: 20_000
        case .updateInMemory, .setShared, .updateShared: 10_000
        case .getByMessage, .updateByMessage, .closureByMessage, .dispatchByMessage: 2_000
        case .task: 5_000
        case .updateInFlight, .dispatchInFlight, .dispatchFloor, .dispatchInFlightFloor: 10_000
        }
    }

    /// Does it `count` times.
    func perform(_ count: Int) async throws {
        switch self {
        case .encode:
            let sample = try StructSample()
            for _ in 0..<count / StructSample.count { try sample.encode() }
        case .decode:
            let sample = try StructSample()
            for _ in 0..<count / StructSample.count { try sample.decode() }
        case .getInMemory: try await withState(.memory) { try await get($0, count) }
        case .updateInMemory: try await withState(.memory) { try await update($0, count) }
        case .getShared: try await withState(.shared) { try await get($0, count) }
        case .setShared:
            try await withState(.shared) { state in
                for number in 0..<count { try await state.set("key 42", to: number) }
            }
        case .updateShared: try await withState(.shared) { try await update($0, count) }
        case .getByMessage: try await withClient { client, _ in try await get(client.state, count) }
        case .updateByMessage:
            try await withClient { client, _ in for _ in 0..<count { _ = try await client.state.increment("key") } }
        case .updateInFlight:
            let directory = try makeDirectory()
            defer { rmdir(directory) }
            // The hub's own process may not map its state a second time, so the client asks.
            try await withClient(.shared, at: "unix://\(directory)/hub") { client, _ in
                let state = client.state
                try await inFlight(count) { _ = try await state.increment("key") }
            }
        case .closureByMessage: try await withClient { client, _ in try await update(client.state, count) }
        case .dispatchLocal:
            try await withContext(.threads) { context in
                let counter = Counter(actorSystem: context.system)
                for _ in 0..<count { _ = try await counter.increment(by: 1) }
            }
        case .dispatchByMessage:
            try await withRemoteCounter { counter in for _ in 0..<count { _ = try await counter.increment(by: 1) } }
        case .dispatchInFlight:
            // With more threads it is chance how often two of them want the actor: to a tool that counts no job is short.
            try await withRemoteCounter(threadCount: 1) { counter in
                try await inFlight(count) { _ = try await counter.increment(by: 1) }
            }
        case .decodeFloor: try Floor.decode(count)
        case .dispatchFloor:
            try await Floor.withCounter { increment in for _ in 0..<count { _ = try await increment() } }
        case .dispatchInFlightFloor:
            try await Floor.withCounter { increment in try await inFlight(count) { _ = try await increment() } }
        case .task:
            try await withContext(.threads) { context in
                let swarm = try context.swarm(workers: 2)
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for number in 0..<count { group.addTask { try await swarm.run(number) { $0 &+ 1 } } }
                    guard try await group.reduce(0, &+) == count * (count + 1) / 2 else {
                        throw BenchError("a task is wrong")
                    }
                }
            }
        }
    }

    private func withState(_ engine: StateOptions.Engine, _ body: (SharedState) async throws -> Void) async throws {
        try await withContext(engine == .shared ? .processes : .threads, state: .init(engine: engine)) { context in
            try await context.state.merge(Dictionary(uniqueKeysWithValues: (0..<1_000).map { ("key \($0)", $0) }))
            try await body(context.state)
        }
    }

    /// Does it `count` times, ``Echo/inFlight`` at once.
    private func inFlight(_ count: Int, _ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup { group in
            for _ in 0..<Echo.inFlight {
                group.addTask { for _ in 0..<count / Echo.inFlight { try await body() } }
            }
            try await group.waitForAll()
        }
    }

    /// A hub and a client of it, both here.
    private func withClient(
        _ engine: StateOptions.Engine = .memory,
        at address: String = "tcp://127.0.0.1:*",
        threadCount: Int? = nil,
        _ body: (_ client: Context, _ hub: Context) async throws -> Void
    ) async throws {
        var options = ContextOptions()
        options.threadCount = threadCount
        try await withContext(.processes, state: .init(engine: engine), options: options) { hub in
            let address = try hub.publish(at: address)
            // As from another machine.
            options.transport = .zeroMQ
            let client = try await Context(connectingTo: address, backend: .threads, options: options)
            try await body(client, hub)
            await client.shutdown()
        }
    }

    /// A proxy of an actor of another system, both here.
    private func withRemoteCounter(threadCount: Int? = nil, _ body: (Counter) async throws -> Void) async throws {
        try await withClient(threadCount: threadCount) { client, hub in
            let counter = Counter(actorSystem: hub.system)
            try await hub.register(counter, as: "counter")
            guard let proxy = try await client.lookup("counter", as: Counter.self) else {
                throw BenchError("the counter has no name")
            }
            try await body(proxy)
            withExtendedLifetime(counter) {}
        }
    }

    private func get(_ state: SharedState, _ count: Int) async throws {
        for _ in 0..<count { _ = try await state.get("key 42", as: Int.self) }
    }

    private func update(_ state: SharedState, _ count: Int) async throws {
        for _ in 0..<count { try await state.update { $0["key 42", default: 0] += 1 } }
    }
}
