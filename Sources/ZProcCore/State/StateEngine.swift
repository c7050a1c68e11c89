// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import MessagePack

/// Keeps the content and the past of one namespace.
///
/// Updates are serializable and linearizable: one at a time, and whatever is read after one returned has it in it. An
/// update whose closure throws changes nothing.
package protocol StateEngine: AnyObject, Sendable {
    /// The newest value of a key. Never waits for an update that runs.
    func value(of key: String) throws(StateError) -> EncodedValue?

    /// The newest revision's number of keys.
    func count() throws(StateError) -> Int

    /// The newest revision. Cost: O(1); never waits for an update that runs.
    func snapshot() throws(StateError) -> Snapshot

    /// How far the past reaches.
    func span() throws(StateError) -> HistorySpan

    /// Runs `body` on a draft of the newest revision and commits the draft. Never runs `body` twice.
    ///
    /// A draft that nothing was written to makes no revision.
    func update<Result: Sendable>(
        by origin: Origin,
        _ body: @escaping @Sendable (inout Draft) throws -> Result
    ) async throws -> Result

    /// The same for a body without a result, for which no other closure has to be made around it.
    func update(by origin: Origin, _ body: @escaping @Sendable (inout Draft) throws -> Void) async throws

    /// Does the same at once, on this thread; nil, with nothing done, when it would have to wait.
    func updateNow<Result: Sendable>(
        by origin: Origin,
        _ body: @Sendable (inout Draft) throws -> Result
    ) throws -> Result?

    /// Carries a client's request out as an update, once: what has been committed for it is not run again, and the answer
    /// is that of the first time.
    ///
    /// An update that changed nothing is not remembered, and runs again.
    func update(
        by origin: Origin,
        once request: UpdateRequest?,
        _ body: @escaping @Sendable (inout Draft) throws -> [UInt8]
    ) async throws -> [UInt8]

    /// Does the same at once, on this thread; nil, with nothing done, when it would have to wait.
    func updateNow(
        by origin: Origin,
        once request: UpdateRequest?,
        _ body: @Sendable (inout Draft) throws -> [UInt8]
    ) throws -> [UInt8]?

    /// The changes after a revision, at most `limit`, oldest first.
    ///
    /// - Throws: ``StateError/Code/compacted``; ``StateError/Code/dropped`` when the namespace was dropped since.
    func records(after revision: Revision, limit: Int) throws(StateError) -> [ChangeRecord]

    /// Has `action` called soon after each commit, in whatever process it is made, until the observation is cancelled.
    ///
    /// Several commits may be one call. The action must be short; it runs where it delays nobody but other actions.
    func observe(_ action: @escaping @Sendable () -> Void) -> any Cancellable

    /// Where a task that waits for commits goes on without a hand-over to another thread; nil for the common pool.
    ///
    /// It shares a thread with all observers, so it must not take long.
    var observersExecutor: (any TaskExecutor)? { get }

    /// Removes all entries and the past; the next commit makes the namespace anew. Revisions go on.
    func drop(by origin: Origin, once request: UpdateRequest?) async throws
}

/// How far the past of a namespace reaches.
package struct HistorySpan: Sendable, Equatable, Codable {
    /// The revision at which the namespace was made: zero, or that of the last drop.
    package var birth: Revision
    /// The oldest revision that can be asked for.
    package var oldest: Revision
    package var newest: Revision

    package init(birth: Revision, oldest: Revision, newest: Revision) {
        self.birth = birth
        self.oldest = oldest
        self.newest = newest
    }
}

/// Something that goes on until it is cancelled.
package protocol Cancellable: Sendable {
    func cancel()
}

/// Keeps the namespaces of a context.
package protocol StateStore: Sendable {
    /// The engine of a namespace, made the first time somebody names it.
    func engine(for namespace: String) -> any StateEngine

    /// The namespaces that something was written to, sorted, without the dropped ones.
    func namespaces() throws(StateError) -> [String]

    /// Forgets answers to clients' requests that are older than a time, in microseconds since 1970.
    func forgetReplies(before time: Int64) async throws

    /// Carries out updates of its namespaces one after the other, each as ``StateEngine``'s `updateNow` does, and
    /// commits them together.
    ///
    /// Each is a revision of its own; one that throws changes nothing, and the others are done all the same.
    ///
    /// - Returns: the answers in order; nil, with nothing done, when that would have to wait, or cannot be done together.
    func updateNow(_ updates: [UpdateInTurn]) -> [Result<[UInt8], any Error>]?
}

extension StateStore {
    package func updateNow(_ updates: [UpdateInTurn]) -> [Result<[UInt8], any Error>]? { nil }
}

/// An update that is committed with others.
package struct UpdateInTurn: Sendable {
    /// Of the store that is to carry it out.
    package let engine: any StateEngine
    package let origin: Origin
    /// The client's request that it carries out, if it may come again.
    package let request: UpdateRequest?
    package let body: @Sendable (inout Draft) throws -> [UInt8]

    package init(
        of engine: any StateEngine,
        by origin: Origin,
        once request: UpdateRequest?,
        _ body: @escaping @Sendable (inout Draft) throws -> [UInt8]
    ) {
        self.engine = engine
        self.origin = origin
        self.request = request
        self.body = body
    }
}

extension StateEngine {
    package var observersExecutor: (any TaskExecutor)? { nil }

    package func apply(_ operation: StateOperation, by origin: Origin) async throws -> [EncodedValue] {
        try await update(by: origin) { try operation.apply(to: &$0) }
    }

    package func drop(by origin: Origin) async throws { try await drop(by: origin, once: nil) }

    /// The state as it was.
    ///
    /// Cost: O(changes since then).
    package func snapshot(at revision: Revision) throws(StateError) -> Snapshot {
        var snapshot = try snapshot()
        guard revision <= snapshot.revision else {
            throw .notYet(revision, newest: snapshot.revision, oldest: try span().oldest)
        }
        var since: [ChangeRecord] = []
        var last = revision
        while last < snapshot.revision {
            let page: [ChangeRecord]
            do throws(StateError) {
                page = try records(after: last, limit: 512)
            } catch {
                // For one who asks for the past, a namespace made anew begins at its birth.
                if error.code == .dropped { throw .compacted(revision, oldest: try span().oldest) }
                throw error
            }
            for record in page where record.revision <= snapshot.revision { since.append(record) }
            guard let end = page.last else { break }
            last = end.revision
        }
        for record in since.reversed() { snapshot.revert(record) }
        return snapshot
    }

    /// The changes that are kept of a key, oldest first.
    ///
    /// Cost: O(history).
    package func history(of key: String) throws(StateError) -> [ChangeRecord] {
        let entryKey = EntryKey(key)
        var found: [ChangeRecord] = []
        let span = try span()
        var last = span.oldest
        while last < span.newest {
            let page: [ChangeRecord]
            do throws(StateError) {
                page = try records(after: last, limit: 512)
            } catch {
                // A busy writer moves the beginning of the past on.
                guard error.code == .compacted, let oldest = error.oldestRevision, oldest > last else { throw error }
                last = oldest
                continue
            }
            guard let end = page.last else { break }
            for record in page where record.revision <= span.newest {
                let writes = record.writes.filter { EntryKey($0.key) == entryKey && $0.before != $0.after }
                if !writes.isEmpty {
                    found.append(
                        ChangeRecord(
                            revision: record.revision,
                            time: record.time,
                            origin: record.origin,
                            writes: writes
                        )
                    )
                }
            }
            last = end.revision
        }
        return found
    }

    /// Makes the state what it was, as a new revision.
    ///
    /// Cost: O(keys changed since then).
    package func restore(to revision: Revision, by origin: Origin, once request: UpdateRequest? = nil) async throws {
        let old = try snapshot(at: revision)
        // Which keys to look at: those written since. More may have been written when the update's turn comes.
        _ = try await update(by: origin, once: request) { draft in
            var keys: Set<EntryKey> = []
            var last = revision
            while true {
                let page = try self.records(after: last, limit: 512)
                guard let end = page.last else { break }
                for record in page { for write in record.writes { keys.insert(EntryKey(write.key)) } }
                last = end.revision
            }
            for key in keys.map(\.name) {
                let value = try old.entries.value(of: key)
                if try draft.encoded(key) != value { try draft.setEncoded(key, value) }
            }
            return []
        }
    }
}
