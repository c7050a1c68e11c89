// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The changes of a namespace, in order, without gaps, each once.
///
/// The watch begins when this is made, not when it is first iterated, and ends with it. One task iterates it; a second
/// iteration goes on where the first one stopped. Waiting costs no processor time, and a watch that nobody reads holds
/// up no writer and takes no memory: it is a place in the history.
///
/// Iterating ends when the task is cancelled and when as many changes as asked for have come. It throws
/// ``StateError/Code/compacted`` when changes that concern it have been forgotten, ``StateError/Code/timedOut``,
/// ``StateError/Code/dropped``, and ``TransportError`` when the process that keeps the state has gone.
public struct Changes: AsyncSequence, Sendable {
    /// One change at a time.
    public typealias Element = Change

    private let watch: Watch

    package init(_ feed: ChangeFeed, _ request: WatchRequest) { watch = Watch(feed, request) }

    /// The revision up to which everything has been delivered or does not concern this watch; nil before it is known.
    ///
    /// Moves on while nothing that concerns the watch happens. Watching again from here continues this watch.
    public var bookmark: Revision? { watch.bookmark }

    /// Drops what has happened and not been delivered: the next change is a new one.
    ///
    /// What one still waits for may be among what is dropped.
    public func goLive() { watch.goLive() }

    /// Goes through the changes.
    public func makeAsyncIterator() -> Iterator { Iterator(watch: watch) }

    /// Goes through the changes.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let watch: Watch

        /// The next change, when there is one; nil at the end.
        public mutating func next() async throws -> Change? { try await watch.next(before: watch.makeDeadline()) }
    }
}
