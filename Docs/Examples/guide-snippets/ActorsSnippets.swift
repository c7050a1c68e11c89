// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Distributed
import ExampleSupport
import ZProc

// The pieces of `Actors.md`, in its order; what is between the lines is the guide's, word for word.

// ---
distributed actor Counter {
    typealias ActorSystem = ZProcSystem
    private var count = 0

    distributed func increment(by number: Int) -> Int {
        count += number
        return count
    }

    distributed func slowly() async throws { try await Task.sleep(for: .seconds(100)) }
}
// ---

enum ActorsSnippets {
    static func run(_ context: Context, _ state: SharedState) async throws {
        // ---
        let counter = try await context.host { Counter(actorSystem: $0) }  // in a process of its own
        _ = try await counter.increment(by: 2)
        try await context.spawn { _ = try await counter.increment(by: 3) }.value  // proxies travel
        // ---
        try expect("count", try await counter.increment(by: 0), 5)
        // ---
        let bank = try await context.actorHost(name: "bank")
        let first = try await bank.host { Counter(actorSystem: $0) }
        let second = try await bank.host { Counter(actorSystem: $0) }
        // ---
        // ---
        try await context.register(first, as: "savings")
        let savings = try await context.lookup("savings", as: Counter.self)  // in any process of the context
        // ---
        try expect("found", savings, first)
        if context.backend == .processes {
            // ---
            let watch = Task { print(try await second.terminated()) }  // ended
            try await bank.release(second)
            // ---
            try await watch.value
        }
        // ---
        do {
            try await withCallDeadline(.milliseconds(20)) { try await first.slowly() }
        } catch let error as CallError {
            print(error.code)  // deadlineExceeded
        }
        // ---
    }
}
