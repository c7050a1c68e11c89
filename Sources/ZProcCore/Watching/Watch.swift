// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Synchronization

/// One watch: what has been fetched from the feed and not yet delivered.
final class Watch: Sendable {
    private struct State {
        var fetched: Deque<Change> = []
        var remaining: Int?
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
        if let first = state.withLock({ $0.fetched.first }) { return first.revision.previous }
        return feed.cursor(of: id)
    }

    /// Drops what has not been delivered.
    func goLive() {
        // The cursor first: what a running fetch brings after this is new.
        feed.skip(id)
        let newest = feed.cursor(of: id) ?? .zero
        state.withLock { $0.fetched.removeAll { $0.revision <= newest } }
    }

    /// The state where the watch begins.
    func beginning() async throws -> Snapshot {
        let revision = try await placed.value()
        return try await feed.snapshot(at: revision)
    }

    /// When the wait for an element that begins now has lasted too long.
    func makeDeadline() -> WatchDeadline? { options.timeout.map { WatchDeadline(after: $0) } }

    /// The next change; nil when as many as asked for have been delivered, or the task is cancelled.
    func next(before deadline: WatchDeadline?) async throws -> Change? {
        if state.withLock({ $0.remaining == 0 }) { return nil }
        do {
            if placed.result == nil { _ = try await placed.value() } else { _ = try placed.result?.get() }
            while true {
                if Task.isCancelled { return nil }
                let change = state.withLock { state -> Change? in
                    guard let change = state.fetched.popFirst() else { return nil }
                    if let remaining = state.remaining { state.remaining = remaining - 1 }
                    return change
                }
                if let change { return change }
                let fetched = try await feed.changes(
                    for: id,
                    mode: options.mode,
                    onCompaction: options.onCompaction,
                    deadline: deadline
                )
                state.withLock { $0.fetched.append(contentsOf: fetched) }
            }
        } catch is CancellationError {
            return nil
        }
    }
}

/// When a wait has lasted too long.
struct WatchDeadline: Sendable {
    let instant: ContinuousClock.Instant
    private let timeout: Duration

    init(after timeout: Duration) {
        instant = .now + timeout
        self.timeout = timeout
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
