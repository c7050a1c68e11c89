// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Synchronization

/// How many changes a feed reads at once.
private let pageSize = 256

/// Brings the changes of a namespace to the watches of this process.
///
/// A watch is a cursor into the history, not a queue: one that nobody reads costs a few words, and no writer waits for
/// it. The feed reads each change once for all its watches and keeps the last ones; a watch that is further behind reads
/// the history itself. Cursors of watches that a change does not concern move on by themselves, so that only what a
/// watch really has to deliver can be forgotten under it.
package final class ChangeFeed: Sendable {
    private struct WatchState {
        let filter: WatchFilter
        /// Everything up to here has been delivered or does not concern the watch; nil until the start is known.
        var cursor: Revision?
        /// The newest change that concerns it, as far as this feed has seen.
        var lastMatch = Revision.zero
        var waiters: [Promise<Void>] = []
        /// Where it is in the history, while it is far behind.
        var catchUp: ChangeWalker?

        mutating func makeWaiter() -> Promise<Void> {
            waiters.removeAll { $0.result != nil }
            let waiter = Promise<Void>()
            waiters.append(waiter)
            return waiter
        }
    }

    /// What the feed has read since it last waited, or left the thread that tells of commits: others wait for that one.
    private struct Stint {
        private var pages = 0, records = 0, byteCount = 0

        mutating func add(_ page: [ChangeRecord]) {
            pages += 1
            records += page.count
            for record in page { byteCount += record.byteCount }
        }

        /// Whether it has been long enough, which is some tenths of a millisecond.
        var isOver: Bool { pages >= 16 || records >= pageSize || byteCount >= 256 << 10 }
    }

    private struct State {
        /// Asked for by the first watch.
        var beginning: Promise<Snapshot>?
        /// How far the history has been read.
        var position: Revision?
        /// The state there, where it is dear to get.
        var latest: Snapshot?
        /// The last changes, up to `position`, that some watch may not have seen yet.
        var recent: Deque<Change> = []
        var recentByteCount = 0
        var watches: [UInt64: WatchState] = [:]
        var lastWatch: UInt64 = 0
        var driver: Task<Void, Never>?
        /// Counts the lives of the feed: one from each first watch to the last one's end.
        var life = 0
        var end: StateError?

        /// The oldest revision from which `recent` goes on.
        var oldest: Revision? { position.map { Revision($0.number - UInt64(recent.count)) } }
    }

    private let source: any ChangeSource
    private let state = Mutex(State())
    private static let recentCount = 1024
    private static let recentByteCount = 4 << 20

    package init(_ source: any ChangeSource) { self.source = source }

    /// How many watches there are.
    package var watchCount: Int { state.withLock { $0.watches.count } }

    /// Ends all watches with an error.
    package func end(_ error: StateError) {
        let (waiters, driver) = state.withLock { state in
            state.end = error
            defer { state.driver = nil }
            return (Self.takeWaiters(&state), state.driver)
        }
        driver?.cancel()
        for waiter in waiters { waiter.settle(.success(())) }
    }

    // MARK: Watches come and go

    /// Enters a watch.
    ///
    /// It begins here and now, whenever its consumer asks for the first change.
    func add(_ filter: WatchFilter, from start: WatchStart) -> (id: UInt64, placed: Promise<Revision>) {
        let placed = Promise<Revision>()
        let (id, beginning, isFirst) = state.withLock { state in
            state.lastWatch += 1
            let id = state.lastWatch
            state.watches[id] = WatchState(filter: filter)
            if state.beginning == nil { begin(&state) }
            return (id, state.beginning, state.watches.count == 1)
        }
        switch start {
        case .revision(let revision): place(id, at: revision, placed)
        case .beginning: settle(id, source.requestSpan(), placed) { $0.birth }
        case .now:
            // The first watch begins where the feed does; the others at what is newest now.
            if let beginning, isFirst {
                settle(id, beginning, placed) { $0.revision }
            } else {
                settle(id, source.requestSpan(), placed) { $0.newest }
            }
        }
        return (id, placed)
    }

    func remove(_ id: UInt64) {
        let driver = state.withLock { state -> Task<Void, Never>? in
            state.watches[id] = nil
            guard state.watches.isEmpty else { return nil }
            defer { Self.idle(&state) }
            return state.driver
        }
        driver?.cancel()
    }

    private static func idle(_ state: inout State) {
        state.beginning = nil
        state.position = nil
        state.latest = nil
        state.recent = []
        state.recentByteCount = 0
        state.driver = nil
        state.life += 1
    }

    private func begin(_ state: inout State) {
        let beginning = source.requestSnapshot()
        state.beginning = beginning
        // An engine of this process has answered already.
        if case .success(let snapshot) = beginning.result { state.position = snapshot.revision }
        let life = state.life
        // Unstructured: it serves watches of many tasks, and ends with the last one.
        state.driver = Task(executorPreference: source.taskExecutor) { [weak self, source] in
            do {
                var walker: ChangeWalker? = ChangeWalker(try await beginning.value())
                var anchor: ChangeAnchor?
                self?.enter(walker?.snapshot, life, isFar: source.isFar)
                var stint = Stint()
                while let position = self?.position(life) {
                    let (page, hasWaited) = try await source.nextRecords(after: position, limit: pageSize)
                    if hasWaited { stint = Stint() }
                    stint.add(page)
                    if stint.isOver, source.taskExecutor != nil {
                        stint = Stint()
                        await Task.yield()
                    }
                    if walker == nil { walker = anchor?.snapshot.map { ChangeWalker($0) } }
                    if walker?.revision != position {
                        walker = ChangeWalker(try await source.snapshot(at: position))
                    }
                    if let last = self?.ingest(page, &walker, life, isFar: source.isFar) { anchor = ChangeAnchor(last) }
                    // A snapshot kept is one the engine has to keep, too.
                    if page.count < pageSize, !source.isFar { walker = nil }
                }
            } catch is CancellationError where Task.isCancelled {
            } catch let error as StateError where error.code == .compacted || error.code == .dropped {
                // Watches that are behind learn of it themselves; those made since have nothing to do with it.
                self?.restart(life)
            } catch {
                self?.fail(error, life)
            }
        }
    }

    private func settle<T>(
        _ id: UInt64,
        _ answer: Promise<T>,
        _ placed: Promise<Revision>,
        _ revision: @escaping @Sendable (T) -> Revision
    ) {
        switch answer.result {
        case .success(let answer): place(id, at: revision(answer), placed)
        case .failure(let error): placed.settle(.failure(error))
        case nil:
            Task {
                do {
                    self.place(id, at: revision(try await answer.value()), placed)
                } catch {
                    placed.settle(.failure(error))
                }
            }
        }
    }

    private func place(_ id: UInt64, at revision: Revision, _ placed: Promise<Revision>) {
        state.withLock { $0.watches[id]?.cursor = revision }
        placed.settle(.success(revision))
    }

    // MARK: The driver

    private func enter(_ snapshot: Snapshot?, _ life: Int, isFar: Bool) {
        let waiters = state.withLock { state -> [Promise<Void>] in
            guard state.life == life else { return [] }
            if state.position == nil { state.position = snapshot?.revision }
            if isFar { state.latest = snapshot }
            return Self.takeWaiters(&state)
        }
        for waiter in waiters { waiter.settle(.success(())) }
    }

    private func position(_ life: Int) -> Revision? {
        state.withLock { $0.life == life && $0.end == nil ? $0.position : nil }
    }

    /// Gives the watches a page of the history, and returns its last change.
    private func ingest(
        _ page: [ChangeRecord],
        _ walker: inout ChangeWalker?,
        _ life: Int,
        isFar: Bool
    ) -> Change? {
        let changes = page.compactMap { walker?.step($0) }
        let latest = isFar ? walker?.snapshot : nil
        let waiters = state.withLock { state -> [Promise<Void>] in
            guard state.life == life, let end = changes.last else { return [] }
            var waiters: [Promise<Void>] = []
            for change in changes {
                for id in state.watches.keys { Self.see(change.record, &state.watches[id], &waiters) }
            }
            state.recent.append(contentsOf: changes)
            for change in changes { state.recentByteCount += change.record.byteCount }
            state.position = end.revision
            state.latest = latest
            Self.trim(&state)
            return waiters
        }
        for waiter in waiters { waiter.settle(.success(())) }
        return changes.last
    }

    /// Drops changes that every watch has passed, or that are too many.
    private static func trim(_ state: inout State) {
        var least = state.position ?? .zero
        for watch in state.watches.values { least = min(least, watch.cursor ?? .zero) }
        while let first = state.recent.first {
            let isTooMuch = state.recent.count > recentCount || state.recentByteCount > recentByteCount
            guard first.revision <= least || isTooMuch else { break }
            state.recent.removeFirst()
            state.recentByteCount -= first.record.byteCount
        }
    }

    private static func see(_ record: ChangeRecord, _ watch: inout WatchState?, _ waiters: inout [Promise<Void>]) {
        guard let filter = watch?.filter else { return }
        if filter.matches(record) {
            watch?.lastMatch = record.revision
            if let waiting = watch?.waiters, !waiting.isEmpty {
                waiters += waiting
                watch?.waiters = []
            }
        } else if let cursor = watch?.cursor, cursor.next == record.revision {
            watch?.cursor = record.revision
        }
    }

    /// The driver itself was overtaken by compaction: the feed begins anew, and each watch finds out where it stands.
    private func restart(_ life: Int) {
        let waiters = state.withLock { state -> [Promise<Void>] in
            guard state.life == life, state.end == nil else { return [] }
            Self.idle(&state)
            begin(&state)
            return Self.takeWaiters(&state)
        }
        for waiter in waiters { waiter.settle(.success(())) }
    }

    private func fail(_ error: any Error, _ life: Int) {
        let waiters = state.withLock { state -> [Promise<Void>] in
            guard state.life == life else { return [] }
            // The next watch tries again.
            Self.idle(&state)
            return Self.takeWaiters(&state)
        }
        for waiter in waiters { waiter.settle(.failure(error)) }
    }

    private static func takeWaiters(_ state: inout State) -> [Promise<Void>] {
        var waiters: [Promise<Void>] = []
        for id in state.watches.keys {
            waiters += state.watches[id]?.waiters ?? []
            state.watches[id]?.waiters = []
        }
        return waiters
    }

    // MARK: What a watch asks

    /// What a look at the last changes gives.
    private enum Look {
        case changes([Change])
        /// There is nothing to deliver; the promise is settled when that may have changed.
        case wait(Promise<Void>)
        /// The watch is further behind than the last changes reach.
        case behind(cursor: Revision, ChangeWalker?)
        case ended(StateError)
    }

    /// The next changes of a watch; waits until there are some.
    ///
    /// - Parameters:
    ///   - id: the watch.
    ///   - request: what it asked for; when it is live, only the newest change is given.
    ///   - deadline: how long to wait at most.
    /// - Returns: At least one change.
    /// - Throws: ``StateError``, or `CancellationError`.
    func changes(
        for id: UInt64,
        _ request: WatchRequest,
        deadline: WatchDeadline?
    ) async throws -> [Change] {
        while true {
            try Task.checkCancellation()
            switch look(id, request.mode) {
            case .changes(let changes): return changes
            case .ended(let error): throw error
            case .wait(let woken): try await wait(for: woken, deadline)
            case .behind(let cursor, var catchUp):
                do {
                    // Before the snapshot: it knows whether the namespace was dropped.
                    let page = try await source.records(after: cursor, limit: pageSize)
                    if catchUp?.revision != cursor {
                        catchUp = ChangeWalker(try await source.snapshot(at: cursor))
                    }
                    if let found = advance(id, from: cursor, over: page, catchUp, request.mode), !found.isEmpty {
                        return found
                    }
                    try deadline?.check()
                } catch let error as StateError where error.code == .compacted && request.skipsWhatIsForgotten {
                    return [.reset(to: try await restart(id))]
                }
            }
        }
    }

    private func look(_ id: UInt64, _ mode: WatchMode) -> Look {
        state.withLock { state in
            if let end = state.end { return .ended(end) }
            guard var watch = state.watches[id], var cursor = watch.cursor else { return .ended(.ended) }
            // After a failure that ended the driver, a watch that goes on starts it again.
            if state.beginning == nil { begin(&state) }
            if mode == .live, watch.lastMatch > cursor.next { cursor = watch.lastMatch.previous }
            defer {
                watch.cursor = cursor
                state.watches[id] = watch
                if let first = state.recent.first, first.revision <= cursor { Self.trim(&state) }
            }
            // The first answer of a far source may be on its way, or the watch begins ahead of what has been read.
            guard let position = state.position, let oldest = state.oldest, cursor <= position else {
                return .wait(watch.makeWaiter())
            }
            if cursor < oldest { return .behind(cursor: cursor, watch.catchUp) }
            watch.catchUp = nil
            var found: [Change] = []
            let start = state.recent.startIndex + Int(cursor.number - oldest.number)
            for change in state.recent[start...] {
                if watch.filter.matches(change.record) {
                    if mode == .live { found = [change] } else { found.append(change) }
                }
                cursor = change.revision
                if found.count == 64 { break }
            }
            return found.isEmpty ? .wait(watch.makeWaiter()) : .changes(found)
        }
    }

    /// Moves a watch to the newest state.
    func restart(_ id: UInt64) async throws -> Snapshot {
        let snapshot = try await source.requestSnapshot().value()
        state.withLock { $0.watches[id]?.cursor = snapshot.revision }
        return snapshot
    }

    /// Takes a watch over a page of the history; nil when it has been moved meanwhile.
    private func advance(
        _ id: UInt64,
        from cursor: Revision,
        over page: [ChangeRecord],
        _ walker: consuming ChangeWalker?,
        _ mode: WatchMode
    ) -> [Change]? {
        guard let filter = state.withLock({ $0.watches[id]?.filter }) else { return nil }
        var walker = consume walker
        var found: [Change] = []
        for record in page {
            guard let change = walker?.step(record) else { continue }
            if filter.matches(record) {
                if mode == .live { found = [change] } else { found.append(change) }
            }
        }
        guard let end = walker?.revision else { return nil }
        return state.withLock { state in
            guard state.watches[id]?.cursor == cursor else { return nil }
            state.watches[id]?.cursor = end
            state.watches[id]?.catchUp = walker
            return found
        }
    }

    private func wait(for woken: Promise<Void>, _ deadline: WatchDeadline?) async throws {
        guard let deadline else { return try await woken.value() }
        let timer = Task {
            try await ContinuousClock().sleep(until: deadline.instant)
            woken.settle(.failure(deadline.error))
        }
        defer { timer.cancel() }
        try await woken.value()
    }

    /// The state where a watch stands.
    func snapshot(at revision: Revision) async throws -> Snapshot {
        if let latest = state.withLock({ $0.latest }), latest.revision == revision { return latest }
        return try await source.snapshot(at: revision)
    }

    func cursor(of id: UInt64) -> Revision? { state.withLock { $0.watches[id]?.cursor } }

    /// Moves a watch to the newest revision this process knows of.
    func skip(_ id: UInt64) {
        let newest = try? source.requestSpan().result?.get().newest
        state.withLock { state in
            guard let cursor = state.watches[id]?.cursor else { return }
            let known = max(newest ?? .zero, state.position ?? .zero)
            state.watches[id]?.cursor = max(cursor, known)
        }
    }
}
