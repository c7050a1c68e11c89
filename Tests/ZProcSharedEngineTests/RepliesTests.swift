// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing
import ZProcCore
import ZProcSharedEngine

/// Requests of clients that may ask again.
@Suite(.timeLimit(.minutes(5))) struct RepliesTests {
    private static func request(_ number: UInt64, answered: UInt64 = 1, client: UInt64 = 7) -> UpdateRequest {
        UpdateRequest(client: client, number: number, answered: answered)
    }

    private static func add(_ engine: any StateEngine, _ request: UpdateRequest?) async throws -> [UInt8] {
        try await engine.update(by: someone, once: request) { draft in
            [UInt8(try draft.increment("count", by: 1))]
        }
    }

    @Test(arguments: EngineKind.allCases)
    func aRequestIsCarriedOutOnce(_ kind: EngineKind) async throws {
        try await kind.withEngine { engine async throws in
            for _ in 0..<3 { #expect(try await Self.add(engine, Self.request(1)) == [1]) }
            #expect(try await Self.add(engine, Self.request(2)) == [2])
            #expect(try await Self.add(engine, Self.request(1)) == [1])
            // Another client's numbers are its own, and who gives none may not ask again.
            #expect(try await Self.add(engine, Self.request(1, client: 8)) == [3])
            #expect(try await Self.add(engine, nil) == [4])
            #expect(try await Self.add(engine, nil) == [5])
            #expect(try engine.snapshot().revision == Revision(5))
        }
    }

    @Test(arguments: EngineKind.allCases)
    func whatIsDoneAtOnceIsRememberedToo(_ kind: EngineKind) async throws {
        try await kind.withEngine { engine async throws in
            let body: @Sendable (inout Draft) throws -> [UInt8] = { [UInt8(try $0.increment("count", by: 1))] }
            var answer = try engine.updateNow(by: someone, once: Self.request(1), body)
            // An engine may have to wait, and then nothing is done.
            if answer == nil { answer = try await engine.update(by: someone, once: Self.request(1), body) }
            #expect(answer == [1])
            #expect(try await Self.add(engine, Self.request(1)) == [1])
        }
    }

    @Test(arguments: EngineKind.allCases)
    func whatFailedOrChangedNothingRunsAgain(_ kind: EngineKind) async throws {
        try await kind.withEngine { engine async throws in
            await #expect(throws: StateError.self) {
                _ = try await engine.update(by: someone, once: Self.request(1)) { draft in
                    draft["count"] = 9
                    throw StateError(.typeMismatch, "no")
                }
            }
            let nothing = try await engine.update(by: someone, once: Self.request(2)) { [$0.count == 0 ? 0 : 1] }
            #expect(nothing == [0])
            #expect(try await Self.add(engine, Self.request(1)) == [1])
            #expect(try await engine.update(by: someone, once: Self.request(2)) { [$0.count == 0 ? 0 : 1] } == [1])
        }
    }

    @Test(arguments: EngineKind.allCases)
    func answersThatArrivedAreForgotten(_ kind: EngineKind) async throws {
        try await kind.withEngine { engine async throws in
            for number in 1...5 { _ = try await Self.add(engine, Self.request(UInt64(number))) }
            // The client has the answers to all below 5.
            #expect(try await Self.add(engine, Self.request(6, answered: 5)) == [6])
            #expect(try await Self.add(engine, Self.request(5)) == [5])
            #expect(try await Self.add(engine, Self.request(4)) == [7])
        }
    }

    @Test(arguments: EngineKind.allCases)
    func droppingIsDoneOnceToo(_ kind: EngineKind) async throws {
        try await kind.withEngine { engine async throws in
            _ = try await Self.add(engine, nil)
            try await engine.drop(by: someone, once: Self.request(1))
            #expect(try engine.snapshot().isEmpty)
            _ = try await Self.add(engine, nil)
            try await engine.drop(by: someone, once: Self.request(1))
            #expect(try engine.snapshot().count == 1)
        }
    }

    @Test func answersOutliveTheStore() async throws {
        try await withDirectory { directory async throws in
            let path = "\(directory)/state"
            do {
                let store = try SharedStore.create(at: path, sync: .eachCommit, history: HistoryLimits())
                defer { store.close() }
                #expect(try await Self.add(store.engine(for: "test"), Self.request(1)) == [1])
            }
            let store = try SharedStore.create(at: path, sync: .eachCommit, history: HistoryLimits())
            defer { store.close() }
            let engine = store.engine(for: "test")
            #expect(try await Self.add(engine, Self.request(1)) == [1])
            try await store.forgetReplies(before: .max)
            #expect(try await Self.add(engine, Self.request(1)) == [2])
        }
    }

    /// They are forgotten some at a time, so that updates have their turn in between.
    @Test func manyOldAnswersAreForgottenAndNoneElse() async throws {
        try await withDirectory { directory async throws in
            let store = try SharedStore.create(at: "\(directory)/state", sync: nil, history: HistoryLimits(count: 10))
            defer { store.close() }
            let engine = store.engine(for: "test")
            func ask(_ client: UInt64, _ number: UInt64) async throws -> [UInt8] {
                try await engine.update(by: someone, once: UpdateRequest(client: client, number: number, answered: 0)) {
                    [UInt8(truncatingIfNeeded: try $0.increment("count"))]
                }
            }
            for number in 1...2_500 { _ = try await ask(1, UInt64(number)) }
            // The clock that answers are dated with goes in steps.
            let before = wallClockMicroseconds()
            while wallClockMicroseconds() == before { await Task.yield() }
            let time = wallClockMicroseconds()
            for number in 1...2_500 { _ = try await ask(2, UInt64(number)) }
            try await store.forgetReplies(before: time)
            let count = try await engine.update(by: someone) { try $0.get("count", as: Int.self) }
            #expect(count == 5_000)
            for number in [1, 999, 1_000, 1_001, 2_500] as [UInt64] {
                let known = try await ask(2, number)
                #expect(known == [UInt8(truncatingIfNeeded: 2_500 + number)], "\(number)")
            }
            var again = UInt64(5_000)
            for number in [1, 999, 1_000, 1_001, 2_000, 2_500] as [UInt64] {
                again += 1
                let made = try await ask(1, number)
                #expect(made == [UInt8(truncatingIfNeeded: again)], "\(number)")
            }
        }
    }

    /// Answers lie beside each other in the file, long ones alone; clients have few or many on their way.
    @Test(arguments: EngineKind.allCases, [3, 30, 400])
    func whatIsKnownIsAnsweredAndNothingElse(_ kind: EngineKind, _ window: UInt64) async throws {
        struct Client {
            var last: UInt64 = 0
            var floor: UInt64 = 0
            var answers: [UInt64: [UInt8]] = [:]
        }
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(state: seed)
        try await kind.withEngine(history: HistoryLimits(count: 10)) { engine async throws in
            var clients = [Client](repeating: Client(), count: 2), made = 0
            for step in 0..<2_000 {
                let id = Int.random(in: 0..<2, using: &random)
                var client = clients[id]
                let isNew = Int.random(in: 0..<4, using: &random) > 0
                // Now and then later ones come first.
                if isNew { client.last += .random(in: 1...2, using: &random) }
                let oldest = client.last > window ? client.last - window : 1
                let number = isNew ? client.last : .random(in: oldest...max(oldest, client.last), using: &random)
                let answered = Bool.random(using: &random) ? oldest : 0
                let longest = [0, 0, 8, 8, 8, 60, 900, 1_400, 6_000].randomElement(using: &random) ?? 0
                let answer = [UInt8](repeating: UInt8(truncatingIfNeeded: made), count: longest)
                let got = try await engine.update(
                    by: someone,
                    once: UpdateRequest(client: UInt64(id), number: number, answered: answered)
                ) { draft in
                    try draft.increment("count")
                    return answer
                }
                if let known = client.answers[number] {
                    #expect(got == known, "seed \(seed), step \(step)")
                } else {
                    #expect(got == answer, "seed \(seed), step \(step)")
                    made += 1
                    client.floor = max(client.floor, answered)
                    client.answers = client.answers.filter { $0.key >= client.floor }
                    if number >= client.floor { client.answers[number] = answer }
                }
                clients[id] = client
                #expect(try engine.snapshot().get("count") == made, "seed \(seed), step \(step)")
            }
        }
    }

    @Test func theFileDoesNotGrowWithRequests() async throws {
        try await withDirectory { directory async throws in
            let path = "\(directory)/state"
            let store = try SharedStore.create(at: path, sync: nil, history: HistoryLimits(count: 10))
            defer { store.close() }
            let engine = store.engine(for: "test")
            var numbers = RequestNumbers()
            func run(_ count: Int) async throws {
                for _ in 0..<count {
                    let (number, answered) = numbers.begin()
                    _ = try await engine.update(
                        by: someone,
                        once: UpdateRequest(client: 7, number: number, answered: answered)
                    ) { draft in
                        try draft.increment("count", by: 1)
                        return [UInt8](repeating: 1, count: 500)
                    }
                    numbers.end(number)
                }
            }
            try await run(1_000)
            let before = fileSize(path)
            try await run(5_000)
            #expect(fileSize(path) <= before + 64 << 10)
        }
    }
}
