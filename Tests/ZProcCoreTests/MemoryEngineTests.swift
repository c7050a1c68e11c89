// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing
import ZProcCore

@Suite struct MemoryEngineTests {
    @Test func updatesMakeOneRevisionEachAndOnlyWhenSomethingChanged() async throws {
        let engine = MemoryEngine()
        #expect(engine.snapshot().revision == .zero)
        try await engine.update { draft in
            draft["a"] = 1
            draft["b"] = 2
        }
        #expect(engine.snapshot().revision == Revision(1))
        try await engine.update { $0["a"] = 1 }
        try await engine.update { _ = $0["a"] }
        try await engine.update { _ = $0.remove("none") }
        #expect(engine.snapshot().revision == Revision(1))
        try await engine.update { $0.removeAll() }
        #expect(engine.snapshot().revision == Revision(2))
        #expect(engine.snapshot().isEmpty)
    }

    @Test func aDraftIsInvisibleUntilItIsCommitted() async throws {
        let engine = MemoryEngine()
        try await engine.update { draft in
            draft["a"] = 1
            #expect(engine.snapshot().isEmpty)
        }
        #expect(engine.snapshot()["a"] == 1)
    }

    @Test func snapshotsStayAsTheyWere() async throws {
        let engine = MemoryEngine()
        try await engine.update { draft in
            for number in 0..<1_000 { try draft.set("\(number)", to: number) }
        }
        let before = engine.snapshot()
        try await engine.update { draft in
            for number in 0..<1_000 { try draft.set("\(number)", to: -number) }
        }
        for number in 0..<1_000 { #expect(try before.get("\(number)", default: 0) == number) }
    }

    /// Random operations, against a plain dictionary that does the same.
    @Test func randomUpdatesAgreeWithADictionary() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(state: seed)
        let engine = MemoryEngine()
        var model: [String: Int] = [:]
        for round in 0..<500 {
            var operations: [(Int, String, Int)] = []
            for _ in 0..<Int.random(in: 0..<6, using: &random) {
                let key = "k\(Int.random(in: 0..<12, using: &random))"
                operations.append((.random(in: 0..<6, using: &random), key, .random(in: -9...9, using: &random)))
            }
            let fails = Int.random(in: 0..<4, using: &random) == 0
            let batch = operations
            struct Stop: Error {}
            do {
                try await engine.update { draft in
                    for (operation, key, number) in batch {
                        switch operation {
                        case 0: draft[key, default: 0] += number
                        case 1: draft[key, as: Int.self] = nil
                        case 2: try draft.set(key, to: number)
                        case 3: draft.remove(key)
                        case 4: try draft.merge([key: number])
                        default: if number == 9 { draft.removeAll() }
                        }
                    }
                    #expect(draft.keys.count == draft.count && Set(draft.keys).count == draft.count, "seed \(seed)")
                    if fails { throw Stop() }
                }
                #expect(!fails)
                for (operation, key, number) in batch {
                    switch operation {
                    case 0: model[key, default: 0] += number
                    case 1, 3: model[key] = nil
                    case 2, 4: model[key] = number
                    default: if number == 9 { model = [:] }
                    }
                }
            } catch is Stop {
                #expect(fails)
            }
            let snapshot = engine.snapshot()
            #expect(Set(snapshot.keys) == Set(model.keys), "seed \(seed), round \(round)")
            for (key, number) in model {
                #expect(try snapshot.get(key, default: .min) == number, "seed \(seed), round \(round)")
            }
        }
    }
}
