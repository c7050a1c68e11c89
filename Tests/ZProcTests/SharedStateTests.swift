// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

@Suite(.tags(.state), .timeLimit(.minutes(5))) struct SharedStateTests {
    @Test(arguments: Backend.allCases, StateWay.all)
    func stateConformsWhereItLives(on backend: Backend, _ way: StateWay) async throws {
        try await withContext(backend, state: way.options) { try await StateConformance.run($0.state) }
    }

    @Test(arguments: Backend.allCases, StateWay.all)
    func stateConformsInSpawnedBodies(on backend: Backend, _ way: StateWay) async throws {
        try await withContext(backend, state: way.options) { context in
            let state = context.state
            try await context.spawn { try await StateConformance.run(state) }.value
        }
    }

    @Test func stateConformsOverTCP() async throws {
        try await withContext(.processes, address: "tcp://127.0.0.1:*") { context in
            let state = context.state
            try await context.spawn { try await StateConformance.run(state) }.value
            #expect(try context.address.hasPrefix("tcp://127.0.0.1:"))
        }
    }

    @Test(arguments: Backend.allCases)
    func updatesOfManyProcessesLoseNothing(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            var processes: [SpawnedProcess<Void>] = []
            for number in 0..<4 {
                let process = try await context.spawn(number) { number in
                    for _ in 0..<100 {
                        try await state.update { draft in
                            draft["total", default: 0] += 1
                            draft["by \(number)", default: 0] += 1
                        }
                    }
                }
                processes.append(process)
            }
            for process in processes { try await process.value }
            let end = try await state.snapshot()
            #expect(try end.get("total", default: 0) == 400)
            for number in 0..<4 { #expect(try end.get("by \(number)", default: 0) == 100) }
            #expect(end.revision == Revision(400))
        }
    }

    @Test(arguments: Backend.allCases)
    func namespacesAreApart(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let one = context.state(namespace: "one"), other = context.state(namespace: "other")
            try await context.spawn {
                try await one.set("key", to: 1)
                try await other.set("key", to: 2)
            }.value
            #expect(try await one.get("key", as: Int.self) == 1)
            #expect(try await other.get("key", as: Int.self) == 2)
            #expect(try await context.state.count() == 0)
        }
    }

    @Test func aHandleComesBackAsTheStateItself() async throws {
        try await withContext(.processes) { context in
            let state = context.state
            let returned = try await context.spawn { state }.value
            try await returned.set("key", to: "value")
            #expect(try await state.get("key", as: String.self) == "value")
        }
    }

    /// Many that come at once are committed together; each has its own answer or error.
    @Test(arguments: [ContextOptions.Transport.unixSockets, .zeroMQ])
    func updatesInFlightHaveTheirOwnAnswers(_ transport: ContextOptions.Transport) async throws {
        var options = ContextOptions()
        options.transport = transport
        try await withContext(.processes, state: .init(access: .messages), options: options) { context in
            let state = context.state, other = context.state(namespace: "other")
            try await state.set("text", to: "no number")
            let answers = try await context.spawn { () -> [[Int]] in
                try await withThrowingTaskGroup(of: Int?.self) { group in
                    for number in 0..<3_000 {
                        group.addTask {
                            switch number % 3 {
                            case 0: try await state.increment("count")
                            case 1: try await other.increment("count") + 10_000
                            default: try? await state.increment("text")
                            }
                        }
                    }
                    var sums: [Int] = [], failures = 0
                    for try await sum in group { if let sum { sums.append(sum) } else { failures += 1 } }
                    return [sums.sorted(), [failures]]
                }
            }.value
            #expect(answers[0] == Array(1...1_000) + Array(10_001...11_000))
            #expect(answers[1] == [1_000])
            #expect(try await state.get("count") == 1_000)
            #expect(try await state.snapshot().revision == Revision(1_001))
        }
    }

    @Test func anUpdateThatCannotTravelIsRefusedAtItsLine() async throws {
        try await withContext(.processes, state: .init(access: .messages)) { context in
            let state = context.state
            let error = try await context.spawn { () -> String in
                let untravelled = NotCodable(), number = 1
                do {
                    try await state.update { draft in draft["x"] = .int(Int64(untravelled.value + number)) }
                    return "committed"
                } catch let error as PortableClosureError {
                    return error.description
                }
            }.value
            #expect(error.contains("SharedStateTests.swift:\(#line - 6)"))
            #expect(error.contains("NotCodable"))
            #expect(try await state.count() == 0)
        }
    }
}

final class NotCodable: Sendable {
    let value = 1
}
