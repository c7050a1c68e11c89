// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc

/// The pieces of `State.md`, in its order; what is between the lines is the guide's, word for word.
enum StateSnippets {
    static func piece1(_ context: Context, _ state: SharedState) async throws {
        // ---
        let state = context.state
        try await state.set("cookies", to: 3)
        try await state.increment("cookies", by: 5)
        let cookies = try await state.get("cookies", as: Int.self)
        // ---
        try expect("cookies", cookies, 8)
    }

    static func piece2(_ context: Context, _ state: SharedState) async throws {
        // ---
        struct Order: Codable, Sendable, Equatable { var cake: String, candles: Int }
        try await state.set("order", to: Order(cake: "opera", candles: 7))
        let order = try await state.get("order", as: Order.self)
        let raw = try await state.snapshot()["order"]
        // ---
        try expect("order", order, Order(cake: "opera", candles: 7))
        try expect("raw", raw?.mapValue?.count, 2)
    }

    static func piece3(_ context: Context, _ state: SharedState) async throws {
        // ---
        let eaten = Key<Int>("eaten")
        try await state.increment(eaten)
        let count = try await state.get(eaten, default: 0)
        // ---
        try expect("eaten", count, 1)
    }

    static func piece4(_ context: Context, _ state: SharedState) async throws {
        // ---
        try await state.merge(["flour": 500, "sugar": 200])
        try await state.merge(["sugar": 50, "eggs": 3]) { old, new in old + new }
        let isFirst = try await state.setIfAbsent("oven", to: "mine")
        let isSwapped = try await state.compareAndSet("oven", expecting: "mine", to: "yours")
        let total = try await state.append("raisins", to: "shopping")
        // ---
        try expect("sugar", try await state.get("sugar", as: Int.self), 250)
        try expect("first and swapped", [isFirst, isSwapped], [true, true])
        try expect("list", total, 1)
    }

    static func piece5(_ context: Context, _ state: SharedState) async throws {
        // ---
        struct Bakery: Codable, Sendable { var cookies = 0, name = "Zur Post", closedFor: String? }
        let bakery = try await context.state(Bakery(), namespace: "bakery")
        try await bakery.update { $0.cookies += 12 }
        let now = try await bakery.value()
        let key = try await context.state(namespace: "bakery").get("cookies", as: Int.self)
        // ---
        try expect("bakery", [now.cookies, key], [12, 12])
    }

    static func piece6(_ context: Context, _ state: SharedState) async throws {
        // ---
        let orders = context.state(namespace: "orders")
        try await orders.set("1", to: "opera")
        let names = try await context.namespaces()
        try await orders.drop()
        // ---
        try expect("namespaces", names.contains("orders"), true)
        try expect("dropped", try await context.namespaces().contains("orders"), false)
    }

    static func piece7(_ context: Context, _ state: SharedState) async throws {
        // ---
        let before = try await state.snapshot()
        try await state.set("cookies", to: 0)
        let then = try await state.snapshot(at: before.revision)
        let changes = try await state.history(of: "cookies")
        try await state.restore(to: before.revision)
        // ---
        try expect("then", then == before, true)
        try expect("restored", try await state.snapshot() == before, true)
        try expect("history", changes.isEmpty, false)
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
