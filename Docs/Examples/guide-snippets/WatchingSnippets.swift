// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc

/// The pieces of `Watching.md`, in its order; what is between the lines is the guide's, word for word.
enum WatchingSnippets {
    static func piece1(_ context: Context, _ state: SharedState) async throws {
        // ---
        let changes = state.changes(of: "cookies")
        try await state.set("cookies", to: 1)
        for try await change in changes {
            print(change.revision, change.before["cookies"] ?? "none", change.after["cookies"] ?? "none")
            break
        }
        // ---
    }

    static func piece2(_ context: Context, _ state: SharedState) async throws {
        // ---
        let opener = Task { try await state.set("door", to: "open") }
        let open = try await state.first("door", equals: "open")
        try await state.firstTruthy("door")
        let later = try await state.first { $0["door"] != nil && $0.revision >= open.revision }
        // ---
        try expect("open", later["door"], "open")
        try await opener.value
    }

    static func piece3(_ context: Context, _ state: SharedState) async throws {
        // ---
        do {
            try await state.first(timeout: .milliseconds(10)) { $0["pigs fly", default: false] }
        } catch let error as StateError where error.code == .timedOut {
            print("not today")
        }
        // ---
    }

    static func piece4(_ context: Context, _ state: SharedState) async throws {
        // ---
        let newest = state.changes(of: "price", mode: .live)
        for price in 1...100 { try await state.set("price", to: price) }
        var seen: [Int] = []
        for try await change in newest {
            seen.append(change.after["price", default: 0])
            if seen.last == 100 { break }
        }
        // ---
        try expect("newest", seen.last, 100)
    }

    static func piece5(_ context: Context, _ state: SharedState) async throws {
        // ---
        let first = state.changes(of: "news", count: 1)
        try await state.set("news", to: "one")
        try await state.set("news", to: "two")
        for try await change in first { print(change) }
        for try await change in state.changes(of: "news", from: .revision(first.bookmark ?? .zero), count: 1) {
            print(change)
        }
        // ---
    }

    static func piece6(_ context: Context, _ state: SharedState) async throws {
        // ---
        let mine = state.fork()
        let others = mine.changes(origins: .others, count: 1)
        try await mine.set("note", to: "to myself")
        try await state.set("note", to: "hello")
        for try await change in others { print(change.after["note"] ?? "none") }
        // ---
    }

    static func piece7(_ context: Context, _ state: SharedState) async throws {
        // ---
        let baker = try await context.onWhen("orders", notEquals: 0) { snapshot in
            try await state.update { draft in
                draft["baked", default: 0] += draft["orders", default: 0]
                draft["orders", default: 0] = 0
            }
        }
        try await state.set("orders", to: 3)
        try await state.first("baked", equals: 3)
        await baker.stop()
        // ---
        try expect("left to bake", try await state.get("orders", as: Int.self), 0)
    }

    static func run(_ context: Context, _ state: SharedState) async throws {
        try await piece1(context, state)
        try await piece2(context, state)
        try await piece3(context, state)
        try await piece4(context, state)
        try await piece5(context, state)
        try await piece6(context, state)
        try await piece7(context, state)
    }
}
