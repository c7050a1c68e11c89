// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// What every state must do, wherever it is kept and however it is reached.
///
/// Runs inside spawned bodies too, so it throws what is wrong instead of recording it.
enum StateConformance {
    struct Violation: Error, Codable, CustomStringConvertible { var description: String }
    struct Cake: Codable, Sendable, Equatable { var name: String, layers: [Double] }

    static let all: [@Sendable (SharedState) async throws -> Void] = [
        valuesOfEveryKind, missingKeys, wrongTypes, keysAndCounts, snapshots, transactions, transactionsOfSeveralKeys,
        failedTransactions,
        transactionResults, concurrentUpdates, conditionalWrites, wholeStates, numbersAndLists, popping, typedKeys,
        merging, longKeysAndLargeValues, keysAreBytes, deepValues,
    ]

    static func run(_ state: SharedState) async throws {
        for check in all {
            try await state.clear()
            try await check(state)
        }
    }

    static func expect<T: Equatable>(_ got: T, _ wanted: T, line: Int = #line) throws {
        if got != wanted { throw Violation(description: "line \(line): got \(got), wanted \(wanted)") }
    }

    @Sendable static func valuesOfEveryKind(_ state: SharedState) async throws {
        try await state.set("int", to: -5)
        try await state.set("big", to: UInt64.max)
        try await state.set("text", to: "grüße")
        try await state.set("cake", to: Cake(name: "opera", layers: [1.5, .infinity]))
        try await state.set("bytes", to: [UInt8](0...255))
        try await state.set("nothing", to: Int?.none)
        try expect(try await state.get("int"), -5)
        try expect(try await state.get("big"), UInt64.max)
        try expect(try await state.get("text"), "grüße")
        try expect(try await state.get("cake"), Cake(name: "opera", layers: [1.5, .infinity]))
        try expect(try await state.get("bytes"), [UInt8](0...255))
        try expect(try await state.contains("nothing"), true)
        try expect(try await state.get("nothing", as: Int?.self), .some(nil))
        let large = [UInt8](repeating: 9, count: 4 << 20)
        try await state.set("large", to: large)
        try expect(try await state.get("large", as: [UInt8].self) == large, true)
    }

    /// Two ways to write a letter that look the same are two keys.
    @Sendable static func keysAreBytes(_ state: SharedState) async throws {
        let one = "\u{e9}", other = "e\u{301}"
        try await state.set(one, to: 1)
        try await state.set(other, to: 2)
        try expect(try await state.count(), 2)
        try expect(try await state.get(one), 1)
        try expect(try await state.get(other), 2)
        let snapshot = try await state.snapshot()
        try expect(snapshot.count, 2)
        try await state.update { draft in
            draft[one] = 3
            draft[other] = 4
        }
        try expect(try await state.get(one), 3)
        try expect(try await state.get(other), 4)
        try expect(try await state.history(of: other).suffix(1).map(\.value), [4])
        try await state.replaceAll(with: [other: 5])
        try expect(try await state.contains(one), false)
        try expect(try await state.count(), 1)
        try await state.set(one, to: 1)
        try await state.clear()
        try expect(try await state.isEmpty(), true)
        // Held longer than a snapshot looks at the store.
        try await Task.sleep(for: .milliseconds(30))
        try expect(snapshot.get(one), 1)
        try expect(snapshot.get(other), 2)
    }

    /// What is as deep as it may be can be read, watched and remembered.
    @Sendable static func deepValues(_ state: SharedState) async throws {
        var deep = Value.array([])
        for _ in 0..<500 { deep = .array([deep]) }
        let start = try await state.snapshot().revision
        try await state.set("deep", to: deep)
        try expect(try await state.get("deep") == deep, true)
        try expect(try await state.snapshot()["deep"] == deep, true)
        try expect(try await state.history(of: "deep").last?.value == deep, true)
        for try await change in state.changes(from: .revision(start), count: 1) {
            try expect(change.after["deep"] == deep, true)
        }
        for _ in 0..<100 { deep = .array([deep]) }
        do {
            try await state.set("deeper", to: deep)
            throw Violation(description: "what nobody can read was stored")
        } catch let error as StateError {
            try expect(error.code, .notEncodable)
        }
    }

    @Sendable static func missingKeys(_ state: SharedState) async throws {
        try expect(try await state.get("none", as: Int.self), nil)
        try expect(try await state.get("none", default: 7), 7)
        try expect(try await state.contains("none"), false)
        try expect(try await state.remove("none"), nil)
        try expect(try await state.remove("none", as: Int.self), nil)
    }

    @Sendable static func wrongTypes(_ state: SharedState) async throws {
        try await state.set("text", to: "five")
        do {
            let number = try await state.get("text", as: Int.self)
            throw Violation(description: "a string was read as the integer \(String(describing: number))")
        } catch let error as StateError {
            try expect(error.code, .typeMismatch)
            try expect(error.key, "text")
        }
        do {
            try await state.update { draft in
                draft["other"] = "written"
                draft["text", default: 0] += 1
            }
            throw Violation(description: "an update that read a string as an integer was committed")
        } catch let error as StateError {
            try expect(error.code, .typeMismatch)
        }
        try expect(try await state.get("text"), "five")
        try expect(try await state.contains("other"), false)
    }

    @Sendable static func keysAndCounts(_ state: SharedState) async throws {
        for number in 0..<100 { try await state.set("key \(number)", to: number) }
        try expect(try await state.count(), 100)
        try expect(Set(try await state.keys()), Set((0..<100).map { "key \($0)" }))
        try expect(try await state.remove("key 3", as: Int.self), 3)
        try expect(try await state.remove("key 4"), 4)
        try expect(try await state.count(), 98)
        try await state.clear()
        try expect(try await state.count(), 0)
        try expect(try await state.keys(), [])
    }

    @Sendable static func conditionalWrites(_ state: SharedState) async throws {
        try expect(try await state.setIfAbsent("a", to: 1), true)
        try expect(try await state.setIfAbsent("a", to: 2), false)
        try expect(try await state.get("a"), 1)
        try expect(try await state.compareAndSet("a", expecting: 2, to: 3), false)
        try expect(try await state.compareAndSet("a", expecting: 1, to: 3), true)
        try expect(try await state.compareAndSet("b", expecting: nil, to: ["x": 1.5]), true)
        try expect(try await state.compareAndSet("b", expecting: ["x": 1.5], to: nil), true)
        try expect(try await state.snapshot() == ["a": 3], true)
    }

    @Sendable static func wholeStates(_ state: SharedState) async throws {
        try expect(try await state.isEmpty(), true)
        try await state.replaceAll(with: ["a": 1, "b": "two", "c": [nil, 2.5]])
        try expect(try await state.items(), ["a": 1, "b": "two", "c": [nil, 2.5]])
        try expect(try await state.isEqual(to: ["c": [nil, 2.5], "b": "two", "a": 1]), true)
        try expect(try await state.isEqual(to: ["a": 1, "b": "two"]), false)
        try expect(try await Set(state.values()), [1, "two", [nil, 2.5]])
        try await state.replaceAll(with: ["a": 7, "z": 8])
        try expect(try await state.items(), ["a": 7, "z": 8])
        try expect(try await state.isEmpty(), false)
    }

    @Sendable static func numbersAndLists(_ state: SharedState) async throws {
        try expect(try await state.increment("n"), 1)
        try expect(try await state.increment("n", by: -5), -4)
        try expect(try await state.increment("x", by: 0.5), 0.5)
        try expect(try await state.increment("x", by: 2.0), 2.5)
        // An integer cannot hold the sum, so there is none.
        do {
            throw Violation(description: "got \(try await state.increment("x", by: 1)), wanted an error")
        } catch let error as StateError {
            try expect(error.code, .typeMismatch)
        }
        try expect(try await state.get("x"), 2.5)
        try await state.set("n", to: Int.max)
        do {
            try await state.increment("n")
            throw Violation(description: "an overflow was committed")
        } catch let error as StateError {
            try expect(error.code, .outOfRange)
        }
        try expect(try await state.append("a", to: "list"), 1)
        try expect(try await state.append(contentsOf: ["b", "c"], to: "list"), 3)
        try expect(try await state.get("list"), ["a", "b", "c"])
        do {
            try await state.append(1, to: "n")
            throw Violation(description: "something was appended to a number")
        } catch let error as StateError {
            try expect(error.code, .typeMismatch)
        }
        try expect(try await state.get("n"), Int.max)
    }

    @Sendable static func popping(_ state: SharedState) async throws {
        let numbers = Dictionary(uniqueKeysWithValues: (0..<20).map { ("key \($0)", $0) })
        try await state.merge(numbers)
        let popped = try await withThrowingTaskGroup(of: [String: Value].self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var popped: [String: Value] = [:]
                    while let (key, value) = try await state.popAny() { popped[key] = value }
                    return popped
                }
            }
            return try await group.reduce(into: [String: Value]()) { all, some in
                all.merge(some) { _, _ in "popped twice" }
            }
        }
        try expect(popped, numbers.mapValues { .int(Int64($0)) })
        try expect(try await state.isEmpty(), true)
    }

    @Sendable static func typedKeys(_ state: SharedState) async throws {
        let cookies = Key<Int>("cookies"), names = Key<[String]>("names")
        try await state.set(cookies, to: 3)
        try await state.update { draft in
            draft[cookies, default: 0] += 1
            draft[names] = (draft[names] ?? []) + ["x"]
        }
        try expect(try await state.get(cookies), 4)
        try expect(try await state.get(names, default: []), ["x"])
        try expect(try await state.remove(cookies), 4)
        try expect(try await state.get(cookies), nil)
        try expect(try await state.snapshot()[names, default: []], ["x"])
    }

    @Sendable static func longKeysAndLargeValues(_ state: SharedState) async throws {
        let long = String(repeating: "ü", count: StateLimits.keyByteCount)
        do {
            try await state.set(long, to: 1)
            throw Violation(description: "a key over the limit was written")
        } catch let error as StateError {
            try expect(error.code, .keyTooLong)
        }
        try expect(try await state.get(long, as: Int.self), nil)
        do {
            try await state.set("large", to: [UInt8](repeating: 1, count: StateLimits.valueByteCount))
            throw Violation(description: "a value over the limit was written")
        } catch let error as StateError {
            try expect(error.code, .valueTooLarge)
        }
        try expect(try await state.isEmpty(), true)
    }

    @Sendable static func merging(_ state: SharedState) async throws {
        try await state.merge(["a": 1, "b": 2])
        try await state.merge(["b": 10, "c": 100]) { $0 + $1 }
        try expect(try await state.items(), ["a": 1, "b": 12, "c": 100])
        try await state.merge(["a": "text", "d": [1]])
        try expect(try await state.items(), ["a": "text", "b": 12, "c": 100, "d": [1]])
        try await state.clear()
        try await state.set("a", to: 1)
        try await state.merge(["a": 10, "b": 20])
        try expect(try await state.get("a"), 10)
        try expect(try await state.get("b"), 20)
    }

    @Sendable static func snapshots(_ state: SharedState) async throws {
        try await state.merge(["a": 1, "b": 2])
        let before = try await state.snapshot()
        try await state.set("a", to: 100)
        let after = try await state.snapshot()
        try expect(before.get("a", default: 0), 1)
        try expect(after.get("a", default: 0), 100)
        try expect(after["b"], 2)
        try expect(before.revision < after.revision, true)
        try expect(before.description, #"["a": 1, "b": 2]"#)
        try await state.set("a", to: 100)
        try expect(try await state.snapshot().revision, Revision(after.revision.number + 1))
        try expect(try await state.snapshot() == after, true)
    }

    @Sendable static func transactions(_ state: SharedState) async throws {
        try await state.merge(["gold": 10, "cookies": 1])
        let before = try await state.snapshot().revision, price = 4
        try await state.update { draft in
            draft["gold", default: 0] -= price
            draft["cookies", default: 0] += 1
            draft["new", as: [String].self] = ["x"]
            draft["raw"] = ["list": [1, 2.5, nil]]
            draft.remove("missing")
            guard draft["gold", default: 0] == 6, draft.contains("new"), draft.count == 4 else {
                throw Violation(description: "a draft does not see its own writes")
            }
        }
        try expect(try await state.get("gold"), 6)
        try expect(try await state.get("cookies"), 2)
        try expect(try await state.get("new"), ["x"])
        try expect(try await state.snapshot()["raw"], ["list": [1, 2.5, nil]])
        try expect(try await state.snapshot().revision, Revision(before.number + 1))
    }

    @Sendable static func transactionsOfSeveralKeys(_ state: SharedState) async throws {
        // Two keys that look the same and are not.
        let composed = "\u{e9}", decomposed = "e\u{301}"
        try await state.merge(["a": 1, "b": 2, composed: 3])
        let before = try await state.snapshot()
        try await state.update { draft in
            // What was looked up last is not what is written, or is not there, or is gone.
            let sum = draft["a", default: 0] + draft["b", default: 0]
            draft["a", default: 0] = sum
            _ = draft["missing", as: Int.self]
            draft["b", default: 0] = 20
            _ = draft["c", as: Int.self]
            draft["c", default: 0] = 30
            _ = draft[composed, default: 0]
            draft[decomposed, default: 0] = 40
            draft.remove("a")
            draft["a", default: 100] += 1
            draft.remove("c")
            _ = try draft.increment("c")
            guard draft.count == 5 else { throw Violation(description: "\(draft.count) keys") }
        }
        let after: [String: Value] = ["a": 101, "b": 20, "c": 1, composed: 3]
        for (key, value) in after { try expect(try await state.snapshot()[key], value) }
        try expect(try await state.get(decomposed, as: Int.self), 40)
        try expect(try await state.get(composed, as: Int.self), 3)
        try expect(try await state.count(), 5)
        // The past is made of what each key had before.
        try expect(try await state.snapshot(at: before.revision) == before, true)
    }

    @Sendable static func failedTransactions(_ state: SharedState) async throws {
        try await state.set("gold", to: 10)
        let before = try await state.snapshot()
        do {
            try await state.update { draft in
                draft["gold", default: 0] = 0
                throw Violation(description: "thrown inside")
            }
            throw Violation(description: "an error thrown in an update was lost")
        } catch let error as Violation {
            try expect(error.description, "thrown inside")
        }
        let after = try await state.snapshot()
        try expect(after == before && after.revision == before.revision, true)
    }

    @Sendable static func transactionResults(_ state: SharedState) async throws {
        try await state.set("n", to: 20)
        let doubled = try await state.update { draft -> [String: Int] in
            draft["n", default: 0] *= 2
            return ["n": draft["n", default: 0]]
        }
        try expect(doubled, ["n": 40])
    }

    @Sendable static func concurrentUpdates(_ state: SharedState) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    for _ in 0..<20 { try await state.update { $0["count", default: 0] += 1 } }
                }
            }
            try await group.waitForAll()
        }
        try expect(try await state.get("count"), 400)
    }
}
