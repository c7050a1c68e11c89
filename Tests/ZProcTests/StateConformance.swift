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
        valuesOfEveryKind, missingKeys, wrongTypes, keysAndCounts, merging, snapshots, transactions, failedTransactions,
        transactionResults, concurrentUpdates,
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

    @Sendable static func merging(_ state: SharedState) async throws {
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
