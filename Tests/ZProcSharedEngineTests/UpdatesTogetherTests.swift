// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing
import ZProcCore
import ZProcSharedEngine

/// Updates that are committed together.
@Suite(.timeLimit(.minutes(5))) struct UpdatesTogetherTests {
    private struct Refusal: Error {}

    @Test func eachIsARevisionAndOneThatThrowsChangesNothing() async throws {
        try await EngineKind.shared.withStore { store in
            let engine = store.engine(for: "a"), other = store.engine(for: "b")
            let answers = try #require(
                store.updateNow([
                    increment(engine), increment(other), increment(engine),
                    UpdateInTurn(of: engine, by: someone, once: nil) { draft in
                        try draft.set("n", to: 100)
                        throw Refusal()
                    },
                    UpdateInTurn(of: engine, by: someone, once: nil) { draft in [UInt8(draft.count)] },
                    increment(engine),
                ])
            )
            let found = answers.map { try? $0.get() }
            #expect(found == [[1], [1], [2], nil, [1], [3]])
            #expect(throws: Refusal.self) { try answers[3].get() }
            #expect(try engine.span() == HistorySpan(birth: .zero, oldest: .zero, newest: Revision(3)))
            let values = try engine.records(after: .zero, limit: 9).map { $0.writes[0].after?.bytes }
            #expect(values == [[1], [2], [3]])
            #expect(try other.snapshot()["n"] == 1)
            #expect(try store.namespaces() == ["a", "b"])
        }
    }

    @Test func aRequestIsCarriedOutOnce() async throws {
        try await EngineKind.shared.withStore { store in
            let engine = store.engine(for: "a"), request = UpdateRequest(client: 7, number: 1, answered: 1)
            let updates = [increment(engine, once: request), increment(engine), increment(engine, once: request)]
            let first = store.updateNow(updates)?.map { try? $0.get() }
            #expect(first == [[1], [2], [1]])
            let second = store.updateNow(updates)?.map { try? $0.get() }
            #expect(second == [[1], [3], [1]])
        }
    }

    @Test func thoseOfAnotherStoreAreNotDone() async throws {
        try await EngineKind.shared.withStore { store in
            try await EngineKind.shared.withStore { other in
                let engine = store.engine(for: "a")
                #expect(store.updateNow([increment(engine), increment(other.engine(for: "a"))]) == nil)
                #expect(try engine.count() == 0)
                try await engine.update(by: someone) { $0["n"] = 5 }
                let answer = try store.updateNow([increment(engine)])?.first?.get()
                #expect(answer == [6])
            }
        }
    }

    /// A change has what was there before, and room is made sure of for small ones.
    @Test func whereALargeValueWasIsNotChangedWithOthers() async throws {
        try await EngineKind.shared.withStore { store in
            let engine = store.engine(for: "a"), value = [UInt8](repeating: 1, count: 100_000)
            try await engine.update(by: someone) { try $0.set("large", to: value) }
            let removal = UpdateInTurn(of: engine, by: someone, once: nil) { [$0.remove("large") ? 1 : 0] }
            #expect(store.updateNow([increment(engine), removal]) == nil)
            #expect(try engine.span().newest == Revision(1))
            let alone = try engine.updateNow(by: someone, once: nil, removal.body)
            #expect(alone == [1])
        }
    }

    @Test func whatIsBeingWrittenIsWaitedFor() async throws {
        try await EngineKind.shared.withStore { store in
            let engine = store.engine(for: "a")
            try await engine.update(by: someone) { draft in
                draft["n"] = 1
                // The lock is taken, by this very thread.
                #expect(store.updateNow([increment(engine)]) == nil)
            }
            #expect(try engine.snapshot()["n"] == 1)
        }
    }

    /// Some together and some alone, against the same one by one in memory.
    @Test(arguments: [3, 100]) func randomOnesAreWhatTheyAreOneByOne(_ count: Int) async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(state: seed)
        try await EngineKind.memory.withStore(history: HistoryLimits(count: count)) { memory in
            try await EngineKind.shared.withStore(history: HistoryLimits(count: count)) { shared in
                for round in 0..<150 {
                    var updates: [UpdateInTurn] = []
                    for _ in 0..<Int.random(in: 1...12, using: &random) {
                        let name = "namespace \(Int.random(in: 0..<3, using: &random))"
                        let key = "key \(Int.random(in: 0..<8, using: &random))"
                        let kind = Int.random(in: 0..<5, using: &random)
                        let body: @Sendable (inout Draft) throws -> [UInt8] = { draft in
                            if kind == 0 { draft.remove(key) } else { try draft.increment(key, by: kind) }
                            if kind == 4 { throw Refusal() }
                            return [UInt8(truncatingIfNeeded: draft.count)]
                        }
                        updates.append(UpdateInTurn(of: shared.engine(for: name), by: someone, once: nil, body))
                        _ = try? await memory.engine(for: name).update(by: someone, body)
                    }
                    if Bool.random(using: &random) {
                        #expect(shared.updateNow(updates)?.count == updates.count, "seed \(seed), round \(round)")
                    } else {
                        for update in updates { _ = try? await update.engine.update(by: someone, update.body) }
                    }
                    if Int.random(in: 0..<20, using: &random) == 0 {
                        for store in [memory, shared] { try await store.engine(for: "namespace 1").drop(by: someone) }
                    }
                    for name in try memory.namespaces() {
                        let engines = [memory, shared].map { $0.engine(for: name) }
                        let spans = try engines.map { try $0.span() }
                        #expect(spans[0] == spans[1], "seed \(seed), round \(round)")
                        let changes = try engines.map {
                            try $0.records(after: spans[0].oldest, limit: .max).map(\.writes)
                        }
                        #expect(changes[0] == changes[1], "seed \(seed), round \(round)")
                        let snapshots = try engines.map { try $0.snapshot() }
                        let items = snapshots[1].items
                        #expect(snapshots[0] == items, "seed \(seed), round \(round)")
                        #expect(snapshots[0].count == snapshots[1].count, "seed \(seed), round \(round)")
                    }
                }
            }
        }
    }

    private func increment(_ engine: any StateEngine, once request: UpdateRequest? = nil) -> UpdateInTurn {
        UpdateInTurn(of: engine, by: someone, once: request) { [UInt8(try $0.increment("n"))] }
    }
}
