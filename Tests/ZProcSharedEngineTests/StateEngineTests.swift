// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing
import ZProcCore
import ZProcSharedEngine

@Suite(.timeLimit(.minutes(5))) struct StateEngineTests {
    @Test(arguments: EngineKind.allCases)
    func aTransactionThatWritesMakesOneRevision(_ kind: EngineKind) async throws {
        try await kind.withEngine { engine in
            #expect(try engine.snapshot().revision == .zero)
            try await engine.update(by: someone) { draft in
                draft["a"] = 1
                draft["b"] = 2
            }
            #expect(try engine.snapshot().revision == Revision(1))
            try await engine.update(by: someone) { _ = $0["a"] }
            try await engine.update(by: someone) { _ = $0.remove("none") }
            #expect(try engine.snapshot().revision == Revision(1))
            try await engine.update(by: someone) { $0["a"] = 1 }
            #expect(try engine.snapshot().revision == Revision(2))
            try await engine.update(by: someone) { $0.removeAll() }
            #expect(try engine.snapshot().revision == Revision(3))
            #expect(try engine.snapshot().isEmpty)
            #expect(try engine.count() == 0)
        }
    }

    @Test(arguments: EngineKind.allCases)
    func aDraftIsInvisibleUntilItIsCommitted(_ kind: EngineKind) async throws {
        try await kind.withEngine { engine in
            try await engine.update(by: someone) { draft in
                draft["a"] = 1
                let seen = try engine.snapshot()
                #expect(seen.isEmpty)
                let value = try engine.value(of: "a")
                #expect(value == nil)
            }
            #expect(try engine.snapshot()["a"] == 1)
        }
    }

    @Test(arguments: EngineKind.allCases)
    func snapshotsStayAsTheyWere(_ kind: EngineKind) async throws {
        try await kind.withEngine { engine in
            try await engine.update(by: someone) { draft in
                for number in 0..<1_000 { try draft.set("\(number)", to: number) }
            }
            let before = try engine.snapshot()
            try await engine.update(by: someone) { draft in
                for number in 0..<1_000 { try draft.set("\(number)", to: -number) }
                draft["new"] = 1
            }
            for number in 0..<1_000 { #expect(try before.get("\(number)", default: 0) == number) }
            #expect(before.count == 1_000 && before.keys.count == 1_000 && !before.contains("new"))
        }
    }

    @Test(arguments: EngineKind.allCases)
    func limitsAreErrorsAndNothingChanges(_ kind: EngineKind) async throws {
        try await kind.withEngine { engine in
            let long = String(repeating: "k", count: StateLimits.keyByteCount + 1)
            let large = [UInt8](repeating: 0, count: StateLimits.valueByteCount)
            let longKey = await #expect(throws: StateError.self) {
                try await engine.update(by: someone) { draft in
                    draft["first"] = 1
                    try draft.set(long, to: 1)
                }
            }
            #expect(longKey?.code == .keyTooLong)
            let largeValue = await #expect(throws: StateError.self) {
                try await engine.update(by: someone) { try $0.set("large", to: large) }
            }
            #expect(largeValue?.code == .valueTooLarge)
            // In a subscript, which cannot throw.
            await #expect(throws: StateError.self) { try await engine.update(by: someone) { $0[long] = 1 } }
            #expect(try engine.count() == 0)
            let fitting = String(repeating: "k", count: StateLimits.keyByteCount)
            try await engine.update(by: someone) { draft in
                draft[fitting] = 1
                draft[""] = 2
            }
            #expect(try engine.snapshot()[fitting] == 1)
            #expect(try engine.snapshot()[""] == 2)
        }
    }

    @Test(arguments: EngineKind.allCases)
    func historyIsBoundedByCount(_ kind: EngineKind) async throws {
        try await kind.withEngine(history: HistoryLimits(count: 100)) { engine in
            for number in 0..<250 { try await engine.update(by: someone) { try $0.set("n", to: number) } }
            #expect(try engine.span() == HistorySpan(birth: .zero, oldest: Revision(150), newest: Revision(250)))
            #expect(try engine.records(after: Revision(150), limit: 1_000).count == 100)
            #expect(try engine.snapshot(at: Revision(150)).get("n") == 149)
            let error = #expect(throws: StateError.self) { _ = try engine.records(after: Revision(149), limit: 1) }
            #expect(error?.code == .compacted)
            #expect(error?.oldestRevision == Revision(150))
            #expect(throws: StateError.self) { try engine.snapshot(at: Revision(149)) }
            #expect(throws: StateError.self) { try engine.snapshot(at: Revision(251)) }
        }
    }

    @Test(arguments: EngineKind.allCases)
    func historyIsBoundedByBytes(_ kind: EngineKind) async throws {
        try await kind.withEngine(history: HistoryLimits(byteCount: 10_000)) { engine in
            for number in 0..<100 {
                let value = [UInt8](repeating: UInt8(number), count: 500)
                try await engine.update(by: someone) { try $0.set("v", to: value) }
            }
            let span = try engine.span()
            // Each change has the old and the new value.
            #expect((8...10).contains(span.newest.number - span.oldest.number))
            try await engine.update(by: someone) { try $0.set("v", to: [UInt8](repeating: 0, count: 50_000)) }
            #expect(try engine.span().oldest == Revision(100))
        }
    }

    @Test(arguments: EngineKind.allCases)
    func droppedNamespacesBeginAnewAndRevisionsGoOn(_ kind: EngineKind) async throws {
        try await kind.withStore { store in
            let engine = store.engine(for: "a")
            _ = store.engine(for: "untouched")
            try await engine.update(by: someone) { $0["x"] = 1 }
            try await store.engine(for: "b").update(by: someone) { $0["x"] = 2 }
            #expect(try store.namespaces() == ["a", "b"])
            try await engine.drop(by: someone)
            #expect(try store.namespaces() == ["b"])
            #expect(try engine.count() == 0)
            #expect(try engine.snapshot().revision == Revision(2))
            let error = #expect(throws: StateError.self) { _ = try engine.records(after: Revision(1), limit: 1) }
            #expect(error?.code == .dropped)
            try await engine.update(by: someone) { $0["y"] = 1 }
            #expect(try engine.snapshot().revision == Revision(3))
            #expect(try engine.records(after: Revision(2), limit: 9).count == 1)
            #expect(try store.namespaces() == ["a", "b"])
            #expect(try store.engine(for: "b").snapshot()["x"] == 2)
        }
    }

    /// The same updates and drops of several namespaces, of which either keeps as many changes.
    @Test(arguments: [1, 2, 70, 200])
    func bothEnginesHaveTheSamePast(_ count: Int) async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(state: seed)
        try await EngineKind.memory.withStore(history: HistoryLimits(count: count)) { memory in
            try await EngineKind.shared.withStore(history: HistoryLimits(count: count)) { shared in
                for step in 0..<600 {
                    let name = "namespace \(Int.random(in: 0..<3, using: &random))"
                    let key = "key \(Int.random(in: 0..<20, using: &random))"
                    let isDropped = Int.random(in: 0..<100, using: &random) == 0
                    let engines = [memory, shared].map { $0.engine(for: name) }
                    for engine in engines {
                        if isDropped {
                            try await engine.drop(by: someone)
                        } else {
                            try await engine.update(by: someone) { draft in
                                if step % 3 == 0 { draft.remove(key) }
                                try draft.set("step", to: step)
                                if step % 3 == 1 { try draft.set(key, to: step) }
                            }
                        }
                    }
                    let spans = try engines.map { try $0.span() }
                    #expect(spans[0] == spans[1], "seed \(seed), step \(step)")
                    let changes = try engines.map { try $0.records(after: spans[0].oldest, limit: .max).map(\.writes) }
                    #expect(changes[0] == changes[1], "seed \(seed), step \(step)")
                    let snapshots = try engines.map { try $0.snapshot() }
                    #expect(snapshots[0] == snapshots[1].items, "seed \(seed), step \(step)")
                    #expect(try memory.namespaces() == shared.namespaces(), "seed \(seed), step \(step)")
                }
            }
        }
    }

    @Test(arguments: EngineKind.allCases)
    func updatesOfManyTasksLoseNothing(_ kind: EngineKind) async throws {
        try await kind.withEngine { engine in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        for _ in 0..<100 { try await engine.update(by: someone) { $0["n", default: 0] += 1 } }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try engine.snapshot().get("n") == 1_600)
            #expect(try engine.snapshot().revision == Revision(1_600))
        }
    }

    /// Changes lie beside each other in the file, long ones alone.
    @Test(
        arguments: EngineKind.allCases,
        [HistoryLimits(), HistoryLimits(count: 100), HistoryLimits(byteCount: 20_000), HistoryLimits(age: .zero)]
    )
    func changesOfAllLengthsAreThere(_ kind: EngineKind, _ limits: HistoryLimits) async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(state: seed)
        try await kind.withEngine(history: limits) { engine in
            var all: [[Write]] = [], values: [String: EncodedValue] = [:]
            for _ in 0..<400 {
                let longest = [2, 40, 40, 600, 1_300, 5_000].randomElement(using: &random) ?? 0
                let bytes = [UInt8](repeating: .random(in: 0...255, using: &random), count: longest)
                let value = try EncodedValue(encoding: Array(bytes.prefix(.random(in: 0...longest, using: &random))))
                let key = "k\(Int.random(in: 0..<4, using: &random))"
                try await engine.update(by: someone) { _ = try $0.setEncoded(key, value) }
                all.append([Write(key: key, before: values[key], after: value)])
                values[key] = value
                let span = try engine.span()
                let from = Int.random(in: Int(span.oldest.number)...all.count, using: &random)
                let limit = Int.random(in: 1...60, using: &random)
                let found = try engine.records(after: Revision(UInt64(from)), limit: limit)
                #expect(found.map(\.writes) == Array(all[from...].prefix(limit)), "seed \(seed)")
                let revisions = found.map { Int($0.revision.number) }
                #expect(revisions == Array(from + 1..<from + 1 + found.count), "seed \(seed)")
            }
            #expect(try engine.snapshot().revision == Revision(400))
        }
    }

    /// Random transactions against a plain dictionary and the list of what it has been.
    @Test(arguments: EngineKind.allCases, [HistoryLimits(count: 40), HistoryLimits(), HistoryLimits(byteCount: 2_000)])
    func randomTransactionsAgreeWithADictionary(_ kind: EngineKind, _ limits: HistoryLimits) async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(state: seed)
        try await kind.withEngine(history: limits) { engine in
            var model: [String: Value] = [:]
            var past: [[String: Value]] = [model]
            for round in 0..<300 {
                let steps = (0..<Int.random(in: 0..<6, using: &random)).map { _ in Step.random(using: &random) }
                let fails = Int.random(in: 0..<5, using: &random) == 0
                var changed = model
                var hasWritten = false
                for step in steps { step.apply(to: &changed, &hasWritten) }
                struct Stop: Error {}
                do {
                    try await engine.update(by: someone) { draft in
                        for step in steps { try step.apply(to: &draft) }
                        let keys = draft.keys
                        #expect(keys.count == draft.count && Set(keys).count == keys.count, "seed \(seed)")
                        if fails { throw Stop() }
                    }
                    #expect(!fails)
                    model = changed
                    if hasWritten { past.append(model) }
                } catch is Stop {
                    #expect(fails)
                }
                let snapshot = try engine.snapshot()
                #expect(snapshot == model, "seed \(seed), round \(round)")
                #expect(snapshot.count == model.count, "seed \(seed), round \(round)")
                #expect(snapshot.revision == Revision(UInt64(past.count - 1)), "seed \(seed), round \(round)")
            }
            let span = try engine.span()
            #expect(span.newest == Revision(UInt64(past.count - 1)))
            for number in span.oldest.number...span.newest.number {
                #expect(try engine.snapshot(at: Revision(number)) == past[Int(number)], "seed \(seed) at \(number)")
            }
            // The changes, replayed from the oldest state, give every later one.
            var walked = past[Int(span.oldest.number)]
            for record in try engine.records(after: span.oldest, limit: .max) {
                for write in record.writes {
                    #expect(walked[write.key] == write.before?.value, "seed \(seed)")
                    walked[write.key] = write.after?.value
                }
                #expect(walked == past[Int(record.revision.number)], "seed \(seed)")
            }
            let target = UInt64.random(in: span.oldest.number...span.newest.number, using: &random)
            try await engine.restore(to: Revision(target), by: someone)
            #expect(try engine.snapshot() == past[Int(target)], "seed \(seed), restored to \(target)")
        }
    }
}

/// One operation of a random transaction.
private enum Step: Sendable {
    case set(String, Int), remove(String), increment(String, Int), merge([String: Int]), clear, popAny, append(String)

    static func random(using random: inout SplitMix64) -> Step {
        let key = "k\(Int.random(in: 0..<12, using: &random))"
        let number = Int.random(in: -9...9, using: &random)
        return switch Int.random(in: 0..<14, using: &random) {
        case 0..<4: .set(key, number)
        case 4..<6: .remove(key)
        case 6..<9: .increment(key, number)
        case 9..<11: .merge([key: number, "other": number])
        case 11: .clear
        default: .append("list")
        }
    }

    func apply(to model: inout [String: Value], _ hasWritten: inout Bool) {
        switch self {
        case .set(let key, let number): model[key] = .int(Int64(number))
        case .remove(let key):
            if model.removeValue(forKey: key) == nil { return }
        case .increment(let key, let number): model[key] = .int(Int64((model[key]?.intValue ?? 0) + number))
        case .merge(let values): for (key, number) in values { model[key] = .int(Int64(number)) }
        case .clear:
            if model.isEmpty { return }
            model = [:]
        case .popAny: return
        case .append(let key): model[key] = .array((model[key]?.arrayValue ?? []) + [1])
        }
        hasWritten = true
    }

    func apply(to draft: inout Draft) throws {
        switch self {
        case .set(let key, let number): try draft.set(key, to: number)
        case .remove(let key): draft.remove(key)
        case .increment(let key, let number): try draft.increment(key, by: number)
        case .merge(let values): try draft.merge(values)
        case .clear: draft.removeAll()
        case .popAny: _ = try draft.popAny()
        case .append(let key): try draft.append(1, to: key)
        }
    }
}
