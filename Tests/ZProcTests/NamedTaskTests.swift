// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import ZProc
import ZProcCore

/// Tasks that a context registers and others run by name.
@Suite(.tags(.process), .timeLimit(.minutes(5))) struct NamedTaskTests {
    /// The ways from a context to the one that has registered a task.
    enum Way: CaseIterable { case itself, hub }

    private func withTasks(
        _ way: Way,
        _ register: (Context) throws -> Void,
        _ body: (Context) async throws -> Void
    ) async throws {
        try await withContext(.threads) { owner in
            try register(owner)
            guard way == .hub else { return try await body(owner) }
            let address = try owner.publish(at: "tcp://127.0.0.1:*")
            let client = try await Context(connectingTo: address, backend: .threads)
            do {
                try await body(client)
            } catch {
                await client.shutdown()
                throw error
            }
            await client.shutdown()
        }
    }

    @Test(arguments: Way.allCases)
    func tasksTakeArgumentsAndReturnValues(_ way: Way) async throws {
        try await withTasks(way) { owner in
            let state = owner.state
            try owner.register(task: "resize") { (width: Int, path: String) async throws -> String in
                "\(path) at \(width)"
            }
            try owner.register(task: "nothing") { () async throws -> Int? in nil }
            try owner.register(task: "note") { (text: String) async throws -> Void in
                try await state.set("note", to: text)
            }
            try owner.register(task: "sum") { (numbers: [Int]) async throws -> Int in numbers.reduce(0, +) }
        } _: { context in
            #expect(try await context.run(task: "resize", 100, "a.png", as: String.self) == "a.png at 100")
            #expect(try await context.run(task: "nothing", as: Int?.self) == nil)
            #expect(try await context.run(task: "sum", Array(1...10_000), as: Int.self) == 50_005_000)
            try await context.run(task: "note", "hello")
            try await context.run(task: "sum", [1])
            #expect(try await context.state.get("note", as: String.self) == "hello")
            #expect(try await context.registeredTasks() == ["note", "nothing", "resize", "sum"])
        }
    }

    @Test(arguments: Way.allCases)
    func whatIsWrongIsATypedError(_ way: Way) async throws {
        try await withTasks(way) { owner in
            try owner.register(task: "resize") { (width: Int, path: String) async throws -> Int in width }
            try owner.register(task: "fail") { () async throws -> Int in throw TestFailure(reason: "no paper") }
            try owner.register(task: "gone") { () async throws -> Int in 1 }
            #expect(try owner.unregister(task: "gone"))
            #expect(try !owner.unregister(task: "gone"))
        } _: { context in
            func code(_ body: () async throws -> Void) async -> CallError.Code? {
                await #expect(throws: CallError.self) { try await body() }?.code
            }
            #expect(await code { try await context.run(task: "gone") } == .methodNotFound)
            #expect(await code { try await context.run(task: "resize") } == .badArguments)
            #expect(await code { try await context.run(task: "resize", 1, "a", 2) } == .badArguments)
            #expect(await code { try await context.run(task: "resize", "a", 1) } == .badArguments)
            #expect(await code { _ = try await context.run(task: "resize", 1, "a", as: String.self) } == .badResult)
            await #expect(throws: TestFailure(reason: "no paper")) { try await context.run(task: "fail") }
        }
    }

    @Test func aNameMeansWhatItWasRegisteredAsLast() async throws {
        try await withContext(.threads) { context in
            try context.register(task: "version") { () async throws -> Int in 1 }
            try context.register(task: "version") { () async throws -> Int in 2 }
            #expect(try await context.run(task: "version", as: Int.self) == 2)
        }
    }

    @Test func cancellingCrossesTheBoundary() async throws {
        let isRunning = Flag(), isCancelled = Flag()
        try await withTasks(.hub) { owner in
            try owner.register(task: "wait") { () async throws -> Void in
                isRunning.raise()
                do {
                    try await Task.sleep(for: .seconds(1_000))
                } catch {
                    isCancelled.raise()
                    throw error
                }
            }
        } _: { client in
            let run = Task { try await client.run(task: "wait") }
            try await eventually { isRunning.isRaised }
            run.cancel()
            await #expect(throws: CancellationError.self) { try await run.value }
            try await eventually { isCancelled.isRaised }
        }
    }

    @Test func aClientThatGoesAwayCancelsWhatItRuns() async throws {
        let isRunning = Flag(), isCancelled = Flag()
        try await withContext(.threads) { owner in
            try owner.register(task: "wait") { () async throws -> Void in
                isRunning.raise()
                await withTaskCancellationHandler {
                    while !Task.isCancelled { try? await Task.sleep(for: .seconds(1_000)) }
                } onCancel: {
                    isCancelled.raise()
                }
            }
            let address = try owner.publish(at: "tcp://127.0.0.1:*")
            let client = try await Context(connectingTo: address, backend: .threads)
            let run = Task { try await client.run(task: "wait") }
            try await eventually { isRunning.isRaised }
            await client.shutdown()
            await #expect(throws: (any Error).self) { try await run.value }
            try await eventually { isCancelled.isRaised }
        }
    }

    /// A hub that ends while it runs a task: whether it has run is not known, and it is not run again by itself.
    @Test func aTaskThatWasSentIsNotSentAgain() async throws {
        let runs = Mutex(0)
        let owner = try Context(.threads)
        try owner.register(task: "wait") { () async throws -> Void in
            runs.withLock { $0 += 1 }
            try? await Task.sleep(for: .seconds(1_000))
        }
        let address = try owner.publish(at: "tcp://127.0.0.1:*")
        let client = try await Context(connectingTo: address, backend: .threads, patience: .seconds(600))
        let run = Task { try await client.run(task: "wait") }
        try await eventually { runs.withLock { $0 } == 1 }
        await owner.shutdown()
        let error = await #expect(throws: (any Error).self) { try await run.value }
        #expect(error.map { CallOutcome(of: $0) } == .unknown)
        #expect(runs.withLock { $0 } == 1)
        await client.shutdown()
    }

    @Test func rolesSayWhoMayRunTasks() async throws {
        let hub = try KeyPair.generate(), reader = try KeyPair.generate(), writer = try KeyPair.generate()
        let allowed: [PublicKey: Role] = [reader.publicKey: .reader, writer.publicKey: .writer]
        try await withContext(.threads) { owner in
            try owner.register(task: "one") { () async throws -> Int in 1 }
            let options = HubOptions(keys: HubKeys(own: hub, allowed: allowed))
            let address = try owner.publish(at: "tcp://127.0.0.1:*", options)
            func client(_ own: KeyPair) async throws -> Context {
                let credentials = Credentials(own: own, hub: hub.publicKey)
                return try await Context(connectingTo: address, credentials: credentials, backend: .threads)
            }
            let reading = try await client(reader), writing = try await client(writer)
            #expect(try await reading.registeredTasks() == ["one"])
            let error = await #expect(throws: CallError.self) { try await reading.run(task: "one") }
            #expect(error?.code == .forbidden)
            #expect(try await writing.run(task: "one", as: Int.self) == 1)
            for context in [reading, writing] { await context.shutdown() }
        }
    }

    @Test func spawnedProcessesRunTasksOfTheirRoot() async throws {
        try await withContext(.processes) { context in
            try context.register(task: "double") { (number: Int) async throws -> Int in number * 2 }
            let answer = try await context.spawn { try await context.run(task: "double", 21, as: Int.self) }.value
            #expect(answer == 42)
            let process = try await context.spawn { try context.register(task: "mine") { () async throws -> Int in 1 } }
            let error = await #expect(throws: StateError.self) { try await process.value }
            #expect(error?.code == .unavailable)
        }
    }
}
