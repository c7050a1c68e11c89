// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc

/// The pieces of `Durability.md`, in its order; what is between the lines is the guide's, word for word.
enum DurabilitySnippets {
    static func piece1(_ path: String) async throws {
        // ---
        let options = StateOptions(persistence: .file(path, sync: .eachCommit))
        try await withContext(.processes, state: options) { context in
            try await context.state.increment("visits")
        }
        // ---
    }

    static func piece2(_ path: String) async throws {
        // ---
        let options = StateOptions(persistence: .file(path, sync: .eachCommit))
        try await withContext(.threads, state: options) { context in
            let visits = try await context.state.get("visits", default: 0)
            let first = try await context.state.history(of: "visits").first?.revision
            print("visit \(visits), the first was revision \(first ?? .zero)")
        }
        // ---
    }

    static func piece3(_ path: String) async throws {
        // ---
        do {
            try await withContext(.threads, state: .init(persistence: .file("/nowhere/state", sync: .none))) { _ in }
        } catch let error as StateError {
            print(error)  // storageUnusable: cannot open /nowhere/state: No such file or directory
        }
        // ---
    }

    static func run(_ path: String) async throws {
        try await piece1(path)
        try await piece2(path)
        try await piece3(path)
    }
}
