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
    /// What clients that may ask again were answered.
    private var replies = ReplyCache()

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
        try commit(by: origin, body).result
    }

    package func update(by origin: Origin, _ body: @escaping @Sendable (inout Draft) throws -> Void) async throws {
        _ = try commit(by: origin, body)
    }

    /// One update; gives also whether it changed anything.
    private func commit<Result>(
        by origin: Origin,
        _ body: (inout Draft) throws -> Result
    ) throws -> (result: Result, isChanged: Bool) {
        var draft = Draft(snapshot().entries)
        let result = try body(&draft)
        let writes = try draft.commit()
        guard !writes.isEmpty else { return (result, false) }
        let time = wallClockMicroseconds()
        let observers = published.withLock { published in
            let next = published.snapshot.revision.next
            let record = ChangeRecord(revision: next, time: time, origin: origin, writes: writes)
            published.snapshot.apply(record)
            published.log.append(record)
            return published.observers
        }
        for observer in observers.values { observer() }
        return (result, true)
    }

    package nonisolated func updateNow<Result: Sendable>(
        by origin: Origin,
        _ body: @Sendable (inout Draft) throws -> Result
    ) throws -> Result? {
        // Only the actor may write.
        nil
    }

    package func update(
        by origin: Origin,
        once request: UpdateRequest?,
        _ body: @escaping @Sendable (inout Draft) throws -> [UInt8]
    ) async throws -> [UInt8] {
        guard let request else { return try commit(by: origin, body).result }
        if let known = replies.reply(to: request) { return known }
        let (answer, isChanged) = try commit(by: origin, body)
        if isChanged { replies.keep(answer, for: request, at: wallClockMicroseconds()) }
        return answer
    }

    package nonisolated func updateNow(
        by origin: Origin,
        once request: UpdateRequest?,
        _ body: @Sendable (inout Draft) throws -> [UInt8]
    ) throws -> [UInt8]? {
        nil
    }

    func forgetReplies(before time: Int64) { replies.forget(before: time) }

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

    package func drop(by origin: Origin, once request: UpdateRequest?) async throws {
        if let request {
            if replies.reply(to: request) != nil { return }
            replies.keep([], for: request, at: wallClockMicroseconds())
        }
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
