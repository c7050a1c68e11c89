// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The states of a namespace for which a condition holds, in order.
///
/// The first one is the state when the watch was made, if the condition holds for it; then every change is looked at.
/// Otherwise this is as ``Changes``. An error thrown by the condition ends the iteration.
public struct Snapshots: AsyncSequence, Sendable {
    /// One state at a time.
    public typealias Element = Snapshot
    /// What a state is asked.
    public typealias Condition = @Sendable (Snapshot) throws -> Bool

    private let watch: Watch
    private let condition: Condition
    private let count: Int?

    package init(_ feed: ChangeFeed, _ request: WatchRequest, where condition: @escaping Condition) {
        var request = request
        // The number asked for counts states, not changes.
        count = request.count
        request.count = nil
        watch = Watch(feed, request)
        self.condition = condition
    }

    /// The revision up to which everything has been looked at; nil before it is known.
    public var bookmark: Revision? { watch.bookmark }

    /// Drops what has happened and not been looked at.
    public func goLive() { watch.goLive() }

    /// Goes through the states.
    public func makeAsyncIterator() -> Iterator { Iterator(watch: watch, condition: condition, remaining: count) }

    /// Goes through the states.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let watch: Watch
        fileprivate let condition: Condition
        fileprivate var remaining: Int?
        private var hasBegun = false

        fileprivate init(watch: Watch, condition: @escaping Condition, remaining: Int?) {
            self.watch = watch
            self.condition = condition
            self.remaining = remaining
        }

        /// The next state for which the condition holds; nil at the end.
        public mutating func next() async throws -> Snapshot? {
            if remaining == 0 { return nil }
            let deadline = watch.makeDeadline()
            if !hasBegun {
                hasBegun = true
                do {
                    let snapshot = try await watch.beginning(before: deadline)
                    if try condition(snapshot) { return deliver(snapshot) }
                } catch is CancellationError {
                    return nil
                }
            }
            while let change = try await watch.next(before: deadline) {
                if try condition(change.after) { return deliver(change.after) }
                // There may always be one more to look at.
                try deadline?.check()
            }
            return nil
        }

        private mutating func deliver(_ snapshot: Snapshot) -> Snapshot {
            if let count = remaining { remaining = count - 1 }
            return snapshot
        }
    }
}
