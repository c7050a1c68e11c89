// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Who is told of events, until they no longer listen.
package struct Listeners<Event: Sendable>: Sendable {
    private var streams: [UInt64: AsyncStream<Event>.Continuation] = [:]
    private var lastNumber: UInt64 = 0

    package init() {}

    package var count: Int { streams.count }

    /// Adds a listener.
    ///
    /// - Parameters:
    ///   - past: what it is told first.
    ///   - limit: how many events wait for it at most; older ones are dropped.
    ///   - isLast: whether nothing follows.
    ///   - onEnd: called once, with its number, when it no longer listens.
    /// - Returns: what it listens to.
    package mutating func add(
        after past: [Event],
        limit: Int,
        isLast: Bool,
        onEnd: @escaping @Sendable (UInt64) -> Void
    ) -> AsyncStream<Event> {
        let (stream, continuation) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingNewest(limit))
        for event in past { continuation.yield(event) }
        if isLast {
            continuation.finish()
            return stream
        }
        lastNumber += 1
        streams[lastNumber] = continuation
        continuation.onTermination = { [lastNumber] _ in onEnd(lastNumber) }
        return stream
    }

    package mutating func remove(_ number: UInt64) { streams[number] = nil }

    /// Takes all out, to tell them the end where nothing is locked.
    package mutating func removeAll() -> Listeners {
        defer { streams = [:] }
        return self
    }

    package func yield(_ event: Event) { for stream in streams.values { stream.yield(event) } }
    package func finish() { for stream in streams.values { stream.finish() } }
}
