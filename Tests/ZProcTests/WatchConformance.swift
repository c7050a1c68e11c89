// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// What every watch must do, wherever the state is kept and however it is reached.
///
/// The state's context keeps 300 changes. Runs inside spawned bodies too, so it throws what is wrong.
enum WatchConformance {
    typealias Violation = StateConformance.Violation

    static let historyCount = 300
    static let all: [@Sendable (SharedState) async throws -> Void] = [
        ordered, unique, gapFree, atomic, resumable, bookmarked, sinceTheWatchWasMade, fromTheBeginning, filtered,
        identicalChanges, origins, live, goingLive, compactedOrReset, counted, timedOut, dropped, cancelled, states,
        keyedStates, failingConditions, severalWatches, past,
    ]

    static func run(_ state: SharedState) async throws {
        for check in all {
            try await state.clear()
            try await state.drop()
            try await check(state)
        }
    }

    static func expect<T: Equatable>(_ got: T, _ wanted: T, line: Int = #line) throws {
        try StateConformance.expect(got, wanted, line: line)
    }

    static func expect(_ code: StateError.Code, line: Int = #line, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as StateError {
            return try expect(error.code, code, line: line)
        }
        throw Violation(description: "line \(line): nothing was thrown, wanted \(code)")
    }

    /// The changes a sequence gives, at most `count`.
    static func collect<S: AsyncSequence>(_ count: Int, _ sequence: S) async throws -> [S.Element] {
        var elements: [S.Element] = []
        if count == 0 { return elements }
        for try await element in sequence {
            elements.append(element)
            if elements.count == count { break }
        }
        return elements
    }

    /// Changes come in the order of their revisions, with the states around them.
    @Sendable static func ordered(_ state: SharedState) async throws {
        let changes = state.changes()
        for number in 0..<100 { try await state.set("n", to: number) }
        let seen = try await collect(100, changes)
        for (number, change) in seen.enumerated() {
            try expect(change.after.get("n", default: -1), number)
            try expect(change.before.get("n", as: Int.self), number == 0 ? nil : number - 1)
            try expect(change.keys, ["n"])
            try expect(change.after.revision, change.revision)
            try expect(change.before.revision.number + 1, change.revision.number)
            try expect(change.isReset || change.isIdentical, false)
        }
    }

    /// With many writers, each revision comes once, and none is left out.
    @Sendable static func gapFree(_ state: SharedState) async throws {
        let changes = state.changes()
        let start = try await state.snapshot().revision.number
        async let seen = collect(200, changes)
        try await incrementFromManyTasks(state)
        try expect(try await seen.map(\.revision.number), Array(start + 1...start + 200))
    }

    /// Also when one iteration goes on where another one stopped.
    @Sendable static func unique(_ state: SharedState) async throws {
        let changes = state.changes(), others = state.changes()
        try await incrementFromManyTasks(state)
        var seen = try await collect(70, changes).map(\.revision) + collect(130, changes).map(\.revision)
        try expect(Set(seen).count, 200)
        seen = try await collect(200, others).map(\.revision)
        try expect(Set(seen).count, 200)
        // Nothing is left to come a second time.
        try await state.set("last", to: true)
        try expect(try await collect(1, changes).first?.keys, ["last"])
        try expect(try await collect(1, others).first?.keys, ["last"])
    }

    private static func incrementFromManyTasks(_ state: SharedState) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask { for _ in 0..<25 { try await state.increment("task \(task)") } }
            }
            try await group.waitForAll()
        }
    }

    /// A transaction is one change, whatever it writes, and nothing of it is seen before the rest.
    @Sendable static func atomic(_ state: SharedState) async throws {
        try await state.merge(["a": 50, "b": 50])
        let changes = state.changes()
        for number in 1...40 {
            try await state.update { draft in
                draft["a", default: 0] -= number
                draft["b", default: 0] += number
                draft.remove("c")
                draft["d"] = nil
            }
        }
        for change in try await collect(40, changes) {
            try expect(change.after.get("a", default: 0) + change.after.get("b", default: 0), 100)
            try expect(Set(change.keys), ["a", "b"])
        }
    }

    /// A watch from the last revision seen goes on with the next change.
    @Sendable static func resumable(_ state: SharedState) async throws {
        let first = state.changes()
        for number in 0..<50 { try await state.set("n", to: number) }
        let seen = try await collect(20, first)
        guard let last = seen.last else { throw Violation(description: "no changes") }
        let rest = try await collect(30, state.changes(from: .revision(last.revision)))
        let numbers = try (seen + rest).map { try $0.after.get("n", default: -1) }
        try expect(numbers, Array(0..<50))
    }

    /// A watch of a quiet key is not overtaken by the forgetting of changes that do not concern it.
    @Sendable static func bookmarked(_ state: SharedState) async throws {
        let quiet = state.changes(of: "quiet")
        for round in 0..<4 {
            for number in 0..<historyCount / 2 { try await state.set("busy", to: round * 1000 + number) }
            let newest = try await state.snapshot().revision
            try await eventually { quiet.bookmark == newest }
        }
        try await state.set("quiet", to: "at last")
        let change = try await collect(1, quiet).first
        try expect(change?.after["quiet"], "at last")
        try expect(change?.before["busy"], .int(Int64(3000 + historyCount / 2 - 1)))
        try expect(quiet.bookmark, change?.revision)
    }

    @Sendable static func sinceTheWatchWasMade(_ state: SharedState) async throws {
        try await state.set("n", to: 1)
        let changes = state.changes()
        try await state.set("n", to: 2)
        let second = state.changes()
        try await state.set("n", to: 3)
        try expect(try await collect(2, changes).map { $0.after["n"] }, [2, 3])
        try expect(try await collect(1, second).map { $0.after["n"] }, [3])
    }

    @Sendable static func fromTheBeginning(_ state: SharedState) async throws {
        for number in 0..<10 { try await state.set("n", to: number) }
        let changes = try await collect(10, state.changes(from: .beginning))
        try expect(changes.map { $0.after["n"] }, (0..<10).map { .int($0) })
        try expect(changes.first?.before.isEmpty, true)
    }

    @Sendable static func filtered(_ state: SharedState) async throws {
        let only = state.changes(of: "a", "b"), rest = state.changes(exceptOf: "a", "b"), all = state.changes()
        try await state.set("a", to: 1)
        try await state.set("c", to: 2)
        try await state.merge(["b": 3, "d": 4])
        try await state.remove("a")
        try expect(try await collect(3, only).map { Set($0.keys) }, [["a"], ["b", "d"], ["a"]])
        try expect(try await collect(2, rest).map { Set($0.keys) }, [["c"], ["b", "d"]])
        try expect(try await collect(4, all).count, 4)
    }

    @Sendable static func identicalChanges(_ state: SharedState) async throws {
        try await state.set("n", to: 1)
        let changes = state.changes(), all = state.changes(includingIdentical: true)
        try await state.set("n", to: 1)
        try await state.update { $0["n"] = 1 }
        try await state.update { _ = $0["n"] }
        try await state.set("n", to: 2)
        try expect(try await collect(1, changes).map { $0.after["n"] }, [2])
        let seen = try await collect(3, all)
        try expect(seen.map(\.isIdentical), [true, true, false])
        try expect(seen.map(\.keys), [["n"], ["n"], ["n"]])
    }

    @Sendable static func origins(_ state: SharedState) async throws {
        let other = state.fork()
        let mine = state.changes(origins: .others), theirs = other.changes(origins: .others)
        try await state.set("by", to: "state")
        try await other.set("by", to: "other")
        try await state.fork().set("by", to: "third")
        try expect(try await collect(2, mine).map { $0.after["by"] }, ["other", "third"])
        let seen = try await collect(2, theirs)
        try expect(seen.map { $0.after["by"] }, ["state", "third"])
        try expect(seen.first?.origin, state.origin)
    }

    /// A slow consumer of a live watch gets the newest change next.
    @Sendable static func live(_ state: SharedState) async throws {
        var changes = state.changes(of: "n", mode: .live).makeAsyncIterator()
        try await state.set("n", to: 0)
        try expect(try await changes.next()?.after["n"], 0)
        for number in 1...50 {
            try await state.set("n", to: number)
            try await state.set("other", to: number)
        }
        var last: Value?
        while last != 50 { last = try await changes.next()?.after["n"] }
        try await state.set("n", to: 51)
        try expect(try await changes.next()?.after["n"], 51)
    }

    @Sendable static func goingLive(_ state: SharedState) async throws {
        let changes = state.changes()
        for number in 0..<150 { try await state.set("n", to: number) }
        try expect(try await collect(1, changes).first?.after["n"], 0)
        try await eventually {
            changes.goLive()
            return changes.bookmark == (try await state.snapshot().revision)
        }
        try await state.set("n", to: "new")
        try expect(try await collect(1, changes).first?.after["n"], "new")
        // Before anything was asked for, too.
        let states = state.when(from: .revision(.zero), onCompaction: .reset) { $0.contains("n") }
        try await eventually {
            states.goLive()
            return states.bookmark == (try await state.snapshot().revision)
        }
        for try await first in states {
            try expect(first["n"], "new")
            break
        }
    }

    @Sendable static func compactedOrReset(_ state: SharedState) async throws {
        let start = try await state.snapshot().revision
        for number in 0...historyCount { try await state.set("n", to: number) }
        let newest = try await state.snapshot().revision
        let watch = state.changes(of: "n", from: .revision(start))
        let forgiving = state.changes(of: "n", from: .revision(start), onCompaction: .reset)
        try await expect(.compacted) { _ = try await collect(1, watch) }
        try await expect(.compacted) { _ = try await collect(1, state.changes(from: .beginning)) }
        do {
            _ = try await state.snapshot(at: Revision(newest.number - UInt64(historyCount) - 1))
        } catch let error as StateError {
            try expect(error.oldestRevision?.number, newest.number - UInt64(historyCount))
        }
        var iterator = forgiving.makeAsyncIterator()
        let reset = try await iterator.next()
        try expect(reset?.isReset, true)
        try expect(reset?.after["n"], .int(Int64(historyCount)))
        try await state.set("n", to: -1)
        let next = try await iterator.next()
        try expect(next?.isReset, false)
        try expect(next?.after["n"], -1)
        for try await first in state.when(from: .revision(start), mode: .live, { _ in true }) {
            try expect(first["n"], -1)
            break
        }
        for try await first in state.when(from: .revision(start), onCompaction: .reset, { _ in true }) {
            try expect(first["n"], -1)
            break
        }
        // A live watch asks for nothing that has been forgotten.
        let live = try await collect(1, state.changes(of: "n", from: .revision(start), mode: .live)).first
        try expect(live?.isReset, true)
        try expect(live?.after["n"], -1)
    }

    @Sendable static func counted(_ state: SharedState) async throws {
        let changes = state.changes(count: 3)
        for number in 0..<5 { try await state.set("n", to: number) }
        var seen = 0
        for try await _ in changes { seen += 1 }
        try expect(seen, 3)
        var states = 0
        for try await _ in state.when(from: .beginning, count: 2, { _ in true }) { states += 1 }
        try expect(states, 2)
        for try await _ in state.changes(from: .beginning, count: 0) { throw Violation(description: "one of none") }
    }

    @Sendable static func timedOut(_ state: SharedState) async throws {
        try await expect(.timedOut) {
            for try await _ in state.changes(of: "never", timeout: .milliseconds(20)) {}
        }
        try await expect(.timedOut) {
            _ = try await state.first(timeout: .milliseconds(20)) { $0.contains("never") }
        }
        try await expect(.timedOut) { _ = try await state.firstAvailable("never", timeout: .milliseconds(20)) }
        try await expect(.timedOut) { try await state.first(timeout: .zero) { _ in false } }
        // Longer than any clock counts.
        try await state.set("there", to: 1)
        try await state.firstAvailable("there", timeout: .seconds(Int64.max))
        // What does not concern the watch does not prolong it.
        let noise = Task {
            while !Task.isCancelled {
                try await state.increment("noise")
                // Slowly, or the history of this suite would be too short.
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        defer { noise.cancel() }
        try await expect(.timedOut) {
            _ = try await state.first(timeout: .milliseconds(50)) { $0.contains("never") }
        }
    }

    @Sendable static func dropped(_ state: SharedState) async throws {
        try await state.set("n", to: 1)
        let waiting = state.changes(), idle = state.changes()
        async let end: Void = expect(.dropped) { for try await _ in waiting {} }
        try await state.drop()
        try await end
        try expect(try await state.isEmpty(), true)
        try await state.set("n", to: 2)
        try await expect(.dropped) { for try await _ in idle {} }
        try expect(try await collect(1, state.changes(from: .beginning)).first?.after["n"], 2)
        // Watches made since have nothing to do with it, and move on though others end and nobody reads them.
        for round in 0..<5 {
            try await state.set("n", to: round)
            let old = state.changes()
            try await state.drop()
            let new = state.changes()
            try await state.set("n", to: -round)
            try await eventually {
                new.goLive()
                return new.bookmark == (try await state.snapshot().revision)
            }
            withExtendedLifetime(old) {}
        }
    }

    @Sendable static func cancelled(_ state: SharedState) async throws {
        let watching = Task {
            var seen = 0
            for try await _ in state.changes(from: .beginning) { seen += 1 }
            return seen
        }
        try await state.set("n", to: 1)
        watching.cancel()
        _ = try await watching.value
        let waiting = Task { try await state.firstAvailable("never") }
        waiting.cancel()
        do {
            _ = try await waiting.value
            throw Violation(description: "a cancelled wait returned")
        } catch is CancellationError {}
    }

    @Sendable static func states(_ state: SharedState) async throws {
        try await state.set("gold", to: 50)
        // It holds already.
        let rich = try await state.first { $0["gold", default: 0] > 40 }
        try expect(rich["gold"], 50)
        let poor = state.when { $0["gold", default: 0] < 40 }
        for gold in [60, 30, 45, 20] { try await state.set("gold", to: gold) }
        try expect(try await collect(2, poor).map { $0["gold"] }, [30, 20])
        async let later = state.first { $0["gold", default: 0] == 7 }
        try await state.set("gold", to: 7)
        try expect(try await later["gold"], 7)
    }

    @Sendable static func keyedStates(_ state: SharedState) async throws {
        async let available = state.firstAvailable("k")
        async let five = state.first("k", equals: 5)
        async let truthy = state.firstTruthy("k")
        async let notNil = state.firstNotNil("k")
        try await state.set("k", to: Int?.none)
        try expect(try await available["k"], .some(.nil))
        _ = try await state.firstNil("k")
        _ = try await state.firstFalsy("k")
        try await state.set("k", to: 5)
        try expect(try await five["k"], 5)
        try expect(try await truthy["k"], 5)
        try expect(try await notNil["k"], 5)
        _ = try await state.first("k", notEquals: 4)
        let values = state.values(of: "k", as: Int.self, count: 3)
        try await state.set("k", to: 6)
        try await state.remove("k")
        try expect(try await collect(3, values), [5, 6, nil])
        try expect(try await state.firstChange(of: "k", from: .beginning).after["k"], .some(.nil))
    }

    @Sendable static func failingConditions(_ state: SharedState) async throws {
        try await state.set("n", to: 1)
        do {
            _ = try await state.first { _ in throw Violation(description: "the condition's own") }
            throw Violation(description: "a condition's error was lost")
        } catch let error as Violation {
            try expect(error.description, "the condition's own")
        }
        try await expect(.typeMismatch) { _ = try await collect(1, state.values(of: "n", as: String.self)) }
        // Nobody else is affected.
        try expect(try await state.get("n"), 1)
        try expect(try await state.firstAvailable("n")["n"], 1)
    }

    @Sendable static func severalWatches(_ state: SharedState) async throws {
        let watches = (0..<16).map { _ in state.changes() }
        for number in 0..<20 { try await state.set("n", to: number) }
        for watch in watches {
            try expect(try await collect(20, watch).map { $0.after["n"] }, (0..<20).map { .int($0) })
        }
    }

    @Sendable static func past(_ state: SharedState) async throws {
        try await state.set("n", to: 1)
        let one = try await state.snapshot()
        try await state.merge(["n": 2, "m": 1])
        try await state.remove("n")
        try await state.set("m", to: 1)
        let history = try await state.history(of: "n")
        try expect(history.map(\.value), [1, 2, nil])
        try expect(try history.map { try $0.get(as: Int.self) }, [1, 2, nil])
        try expect(history.map(\.revision.number), (0..<3).map { one.revision.number + $0 })
        try expect(try await state.snapshot(at: one.revision) == one, true)
        let newest = try await state.snapshot().revision
        try await state.restore(to: one.revision)
        try expect(try await state.snapshot() == one, true)
        try expect(try await state.snapshot().revision.number, newest.number + 1)
        try expect(try await state.history(of: "n").map(\.value), [1, 2, nil, 1])
    }
}
