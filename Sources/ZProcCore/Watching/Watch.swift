// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Synchronization

/// One watch: what has been fetched from the feed and not yet delivered.
final class Watch: Sendable {
    private struct State {
        var fetched: Deque<Change> = []
        var remaining: Int?
        /// Where the fetch that is under way began.
        var fetching: Revision?
        /// What came before is not delivered.
        var floor = Revision.zero
    }

    private let feed: ChangeFeed
    private let id: UInt64
    private let placed: Promise<Revision>
    private let options: WatchRequest
    private let state: Mutex<State>

    init(_ feed: ChangeFeed, _ options: WatchRequest) {
        self.feed = feed
        self.options = options
        (id, placed) = feed.add(options.filter, from: options.start)
        state = Mutex(State(remaining: options.count))
    }

    deinit { feed.remove(id) }

    /// The revision up to which everything has been delivered or does not concern this watch.
    var bookmark: Revision? {
        let cursor = feed.cursor(of: id)
        return state.withLock { state in
            if let first = state.fetched.first { return first.revision.previous }
            return state.fetching.map { max($0, state.floor) } ?? cursor
        }
    }

    /// Drops what has not been delivered.
    func goLive() {
        feed.skip(id)
        let newest = feed.cursor(of: id) ?? .zero
        state.withLock { state in
            state.floor = max(state.floor, newest)
            state.fetched.removeAll { $0.revision <= newest }
        }
    }

    /// The state where the watch begins.
    func beginning(before deadline: WatchDeadline?) async throws -> Snapshot {
        try await WatchDeadline.limit(deadline) { [feed, id, placed, options] in
            let start = try await placed.value()
            do {
                return try await feed.snapshot(at: max(start, feed.cursor(of: id) ?? start))
            } catch let error as StateError where error.code == .compacted && options.skipsWhatIsForgotten {
                return try await feed.restart(id)
            }
        }
    }

    /// When the wait for an element that begins now has lasted too long.
    func makeDeadline() -> WatchDeadline? { options.timeout.map { WatchDeadline(after: $0) } }

    /// The next change; nil when as many as asked for have been delivered, or the task is cancelled.
    func next(before deadline: WatchDeadline?) async throws -> Change? {
        do {
            while true {
                if Task.isCancelled { return nil }
                // Mostly it is there: several are fetched at once.
                let (change, isOver) = takeFetched()
                if change != nil || isOver { return change }
                try await fetch(before: deadline)
            }
        } catch is CancellationError {
            return nil
        }
    }

    /// The next of what has been fetched, and whether no other may follow.
    private func takeFetched() -> (change: Change?, isOver: Bool) {
        state.withLock { state in
            if state.remaining == 0 { return (nil, true) }
            guard let change = state.fetched.popFirst() else { return (nil, false) }
            if let remaining = state.remaining { state.remaining = remaining - 1 }
            return (change, false)
        }
    }

    /// Waits until there are changes, and fetches some.
    private func fetch(before deadline: WatchDeadline?) async throws {
        if let result = placed.result {
            _ = try result.get()
        } else {
            _ = try await WatchDeadline.limit(deadline) { [placed] in try await placed.value() }
        }
        let cursor = feed.cursor(of: id)
        state.withLock { $0.fetching = cursor }
        defer { state.withLock { $0.fetching = nil } }
        let fetched = try await feed.changes(for: id, options, deadline: deadline)
        state.withLock { state in
            state.fetched.append(contentsOf: fetched.drop { $0.revision <= state.floor })
            state.fetching = nil
        }
    }
}

/// When a wait has lasted too long.
struct WatchDeadline: Sendable {
    let instant: ContinuousClock.Instant
    private let timeout: Duration

    init(after timeout: Duration) {
        instant = .now + timeout.countable
        self.timeout = timeout
    }

    /// Throws when it has passed.
    func check() throws(StateError) {
        if ContinuousClock.now >= instant { throw error }
    }

    /// Does what may take long, at most until the deadline; without one, for as long as it takes.
    static func limit<T: Sendable>(
        _ deadline: WatchDeadline?,
        _ work: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        guard let deadline else { return try await work() }
        let outcome = Promise<T>()
        let worker = Task {
            do { outcome.settle(.success(try await work())) } catch { outcome.settle(.failure(error)) }
        }
        let timer = Task {
            try await ContinuousClock().sleep(until: deadline.instant)
            outcome.settle(.failure(deadline.error))
        }
        defer {
            worker.cancel()
            timer.cancel()
        }
        return try await outcome.value()
    }

    var error: StateError {
        StateError(.timedOut, "nothing that the watch waits for came within \(timeout)")
    }
}

/// What is asked of a watch.
package struct WatchRequest: Sendable {
    package var filter: WatchFilter
    package var mode: WatchMode
    package var start: WatchStart
    package var onCompaction: CompactionPolicy
    package var count: Int?
    package var timeout: Duration?

    /// Whether it goes on with the newest state when changes have been forgotten.
    var skipsWhatIsForgotten: Bool { mode == .live || onCompaction == .reset }

    package init(
        filter: WatchFilter,
        mode: WatchMode,
        start: WatchStart,
        onCompaction: CompactionPolicy,
        count: Int?,
        timeout: Duration?
    ) {
        self.filter = filter
        self.mode = mode
        self.start = start
        self.onCompaction = onCompaction
        self.count = count.map { max(0, $0) }
        self.timeout = timeout
    }
}
