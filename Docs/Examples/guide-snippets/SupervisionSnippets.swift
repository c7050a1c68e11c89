// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc

private func grind(_ state: SharedState) async throws { try await count(state, "mill") }
private func bake(_ state: SharedState) async throws { try await count(state, "oven") }
private func count(_ state: SharedState, _ key: String) async throws {
    while true {
        try await state.increment(key)
        try await Task.sleep(for: .milliseconds(1))
    }
}

/// The pieces of `Supervision.md`, in its order; what is between the lines is the guide's, word for word.
enum SupervisionSnippets {
    static func run(_ context: Context, _ state: SharedState) async throws {
        // ---
        let supervisor = try context.supervisor(.restForOne, intensity: RestartIntensity(5, within: .seconds(10)))
        try await supervisor.spawn("mill", restart: .permanent) { try await grind(state) }
        try await supervisor.spawn("oven", restart: .transient) { try await bake(state) }
        // ---
        // ---
        for await event in supervisor.events {
            print(event)  // [supervisor] mill (1) was started as process 4711
            if case .started = event.kind, event.child == "oven" { break }
        }
        for child in supervisor.children { print(child.name, child.incarnation, child.isRunning) }
        // ---
        // ---
        try await supervisor.supervisor("shop", .oneForAll) { shop in
            try await shop.spawn("till") { try await count(state, "till") }
            try await shop.spawn("door") { try await count(state, "door") }
        }
        // ---
        // ---
        let counter = try await supervisor.host("counter") { Counter(actorSystem: $0) }
        _ = try await counter.increment(by: 2)
        // ---
        try await state.first { snapshot in
            ["mill", "oven", "till", "door"].allSatisfy { snapshot[$0, default: 0] > 2 }
        }
        try expect("children", supervisor.children.map(\.name), ["mill", "oven", "shop", "counter"])
        await supervisor.stop()
    }
}
