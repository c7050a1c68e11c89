// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc

/// The pieces of `Atomicity.md`, in its order; what is between the lines is the guide's, word for word.
enum AtomicitySnippets {
    static func piece1(_ context: Context, _ state: SharedState) async throws {
        // ---
        try await state.update { draft in
            draft["ada", default: 0] -= 5
            draft["ben", default: 0] += 5
        }
        // ---
        try expect("moved", try await state.get("ben", as: Int.self), 5)
    }

    static func piece2(_ context: Context, _ state: SharedState) async throws {
        // ---
        struct Broke: Error, Codable {}
        do {
            try await state.update { draft in
                draft["ada", default: 0] -= 1_000
                if draft["ada", default: 0] < 0 { throw Broke() }
            }
        } catch is Broke {
            print("Ada keeps what she has")
        }
        // ---
        try expect("kept", try await state.get("ada", as: Int.self), -5)
    }

    static func piece3(_ context: Context, _ state: SharedState) async throws {
        // ---
        let seat = try await state.update { draft -> Int? in
            let taken = draft["taken", default: 0]
            guard taken < 100 else { return nil }
            draft["taken", default: 0] = taken + 1
            return taken + 1
        }
        // ---
        try expect("seat", seat, 1)
    }

    static func piece4(_ context: Context, _ state: SharedState) async throws {
        // ---
        try await state.replaceAll(with: ["job 1": "wash", "job 2": "dry"])
        var done: [String] = []
        while let (job, _) = try await state.popAny() { done.append(job) }
        // ---
        try expect("jobs done", done.sorted(), ["job 1", "job 2"])
    }

    static func piece5(_ context: Context, _ state: SharedState) async throws {
        // ---
        while true {
            let old = try await state.get("price", as: Double.self)
            let new = (old ?? 1) * 1.1
            if try await state.compareAndSet("price", expecting: old, to: new) { break }
        }
        // ---
        try expect("price", try await state.get("price", as: Double.self), 1.1)
    }

    static func run(_ context: Context, _ state: SharedState) async throws {
        try await piece1(context, state)
        try await piece2(context, state)
        try await piece3(context, state)
        try await piece4(context, state)
        try await piece5(context, state)
    }
}
