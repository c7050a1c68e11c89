// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Where a feed gets its changes from: an engine of this process, or one behind a link.
package protocol ChangeSource: Sendable {
    /// Whether a snapshot has to travel, so that one should be kept.
    var isFar: Bool { get }
    /// Where a task that waits for changes goes on without a hand-over to another thread; nil for the common pool.
    var taskExecutor: (any TaskExecutor)? { get }
    /// Asks for the newest state at once, ahead of whatever the caller does next.
    func requestSnapshot() -> Promise<Snapshot>
    /// Asks how far the past reaches at once, ahead of whatever the caller does next.
    func requestSpan() -> Promise<HistorySpan>
    func snapshot(at revision: Revision) async throws -> Snapshot
    /// The changes after a revision, at most `limit`, oldest first; none when there are none yet.
    func records(after revision: Revision, limit: Int) async throws -> [ChangeRecord]
    /// The same, but waits until there is at least one, and says whether it had to.
    func nextRecords(after revision: Revision, limit: Int) async throws -> (records: [ChangeRecord], hasWaited: Bool)
}

/// The changes of an engine of this process.
package struct EngineSource: ChangeSource {
    private let engine: any StateEngine

    package init(_ engine: any StateEngine) { self.engine = engine }

    package var isFar: Bool { false }
    package var taskExecutor: (any TaskExecutor)? { engine.observersExecutor }

    package func requestSnapshot() -> Promise<Snapshot> { Promise(Result { try engine.snapshot() }) }
    package func requestSpan() -> Promise<HistorySpan> { Promise(Result { try engine.span() }) }
    package func snapshot(at revision: Revision) async throws -> Snapshot { try engine.snapshot(at: revision) }

    package func records(after revision: Revision, limit: Int) async throws -> [ChangeRecord] {
        try engine.records(after: revision, limit: limit)
    }

    package func nextRecords(
        after revision: Revision,
        limit: Int
    ) async throws -> (records: [ChangeRecord], hasWaited: Bool) {
        try await engine.nextRecords(after: revision, limit: limit)
    }
}

extension StateEngine {
    /// The changes after a revision, at most `limit`, oldest first; waits until there is at least one.
    ///
    /// - Throws: ``StateError``; `CancellationError`.
    package func nextRecords(
        after revision: Revision,
        limit: Int
    ) async throws -> (records: [ChangeRecord], hasWaited: Bool) {
        var hasWaited = false
        while true {
            var found = try records(after: revision, limit: limit)
            let committed = Promise<Void>()
            let observation = found.isEmpty ? observe { committed.settle() } : nil
            defer { observation?.cancel() }
            // Committed before there was an observer.
            if found.isEmpty { found = try records(after: revision, limit: limit) }
            if !found.isEmpty { return (found, hasWaited) }
            try await committed.value()
            hasWaited = true
        }
    }
}
