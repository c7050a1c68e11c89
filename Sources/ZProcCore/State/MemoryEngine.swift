// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import HashTreeCollections
internal import Synchronization

/// A namespace in the memory of one process, as a persistent hash trie: snapshots and drafts share what is equal.
///
/// The actor is the writer: it runs one update at a time. Readers take the published snapshot without asking it.
package actor MemoryEngine: StateEngine {
    private nonisolated let published = Mutex(Snapshot(revision: .zero, entries: [:]))

    package init() {}

    package nonisolated func snapshot() -> Snapshot {
        published.withLock { $0 }
    }

    package func update<Result: Sendable>(_ body: @Sendable (inout Draft) throws -> Result) async throws -> Result {
        var draft = Draft(snapshot())
        let result = try body(&draft)
        let commit = try (consume draft).commit()
        if let commit { published.withLock { $0.apply(commit) } }
        return result
    }
}
