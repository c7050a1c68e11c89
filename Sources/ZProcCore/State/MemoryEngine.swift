// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import MessagePack
internal import Synchronization

/// A namespace in the memory of one process, as a persistent hash trie: snapshots and drafts share what is equal.
///
/// The actor is the writer: it runs one update at a time. Readers take what is published without asking it.
package actor MemoryEngine: StateEngine {
    private struct Published {
        var snapshot: Snapshot
        var log: HistoryLog
        var birth = Revision.zero
        var observers: [UInt64: @Sendable () -> Void] = [:]
        var lastObserver: UInt64 = 0
    }
    private nonisolated let published: Mutex<Published>
    private nonisolated let limits: HistoryLimits

    package init(history limits: HistoryLimits = HistoryLimits()) {
        self.limits = limits
        published = Mutex(Published(snapshot: .empty, log: HistoryLog(limits: limits)))
    }

    package nonisolated func value(of key: String) throws(StateError) -> EncodedValue? {
        try published.withLock { published throws(StateError) in try published.snapshot.entries.value(of: key) }
    }

    package nonisolated func count() throws(StateError) -> Int { published.withLock { $0.snapshot.count } }

    package nonisolated func snapshot() -> Snapshot { published.withLock { $0.snapshot } }

    package nonisolated func span() -> HistorySpan {
        published.withLock { HistorySpan(birth: $0.birth, oldest: $0.log.oldest, newest: $0.log.newest) }
    }

    package func update<Result: Sendable>(
        by origin: Origin,
        _ body: @escaping @Sendable (inout Draft) throws -> Result
    ) async throws -> Result {
        var draft = Draft(snapshot().entries)
        let result = try body(&draft)
        let writes = try draft.commit()
        guard !writes.isEmpty else { return result }
        let time = wallClockMicroseconds()
        let observers = published.withLock { published in
            let next = published.snapshot.revision.next
            let record = ChangeRecord(revision: next, time: time, origin: origin, writes: writes)
            published.snapshot.apply(record)
            published.log.append(record)
            return published.observers
        }
        for observer in observers.values { observer() }
        return result
    }

    package nonisolated func updateNow<Result: Sendable>(
        by origin: Origin,
        _ body: @Sendable (inout Draft) throws -> Result
    ) throws -> Result? {
        // Only the actor may write.
        nil
    }

    package nonisolated func records(after revision: Revision, limit: Int) throws(StateError) -> [ChangeRecord] {
        try published.withLock { published throws(StateError) in
            if revision < published.birth { throw .dropped }
            return try published.log.records(after: revision, limit: limit)
        }
    }

    package nonisolated func observe(_ action: @escaping @Sendable () -> Void) -> any Cancellable {
        let number = published.withLock { published in
            published.lastObserver += 1
            published.observers[published.lastObserver] = action
            return published.lastObserver
        }
        return Observation(engine: self, number: number)
    }

    package func drop(by origin: Origin) async throws {
        let observers =
            published.withLock { published in
                guard published.log.newest > published.birth else { return [:] }
                let revision = published.snapshot.revision.next
                published.snapshot = Snapshot(revision: revision, entries: Entries())
                published.log = HistoryLog(limits: limits, after: revision)
                published.birth = revision
                return published.observers
            } as [UInt64: @Sendable () -> Void]
        for observer in observers.values { observer() }
    }

    /// Whether something has been written since the namespace was made.
    nonisolated var exists: Bool { published.withLock { $0.log.newest > $0.birth } }

    private struct Observation: Cancellable {
        let engine: MemoryEngine
        let number: UInt64
        func cancel() { engine.published.withLock { _ = $0.observers.removeValue(forKey: number) } }
    }
}

/// The time of day to some milliseconds, in microseconds since 1970; cheap to ask for.
package func wallClockMicroseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME_COARSE, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
}
