// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Messages on their way into a socket, in order.
///
/// Whoever finds nobody sending sends, on its own thread, until nothing is left; the others put their message down and
/// go on. So threads never wait for each other, and what comes while one is sending goes out as one batch. When many jobs
/// wait for their turn, each with something to send, nobody sends at once: one sends for all.
///
/// What sends gives back why it has failed, nil when it has not. It belongs into the module of those who use it: from another
/// one it would be compiled for all types at once, which asks the runtime for types at each message.
package final class Outbox<Item: Sendable, Failure: Sendable>: Sendable {
    private struct State {
        var waiting: [Item] = []
        var isSending = false
        /// Whether somebody has promised to send.
        var isPromised = false
        /// How many are collecting what they will send together.
        var collectors = 0
        /// Called when nothing waits any more.
        var end: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    package init() {}

    /// Sends `item`, unless somebody else does: who is sending, or who has promised to.
    ///
    /// - Parameters:
    ///   - item: the message.
    ///   - promise: whether ``flush(send:)`` will be called soon; asked when nobody is sending.
    ///   - send: gets messages in order, at least one.
    ///   - onLateFailure: gets the failure of others' messages, which this caller has sent after its own. They are lost,
    ///     and those who put them down cannot be told otherwise.
    /// - Returns: the failure of `item`, which has not been sent then; what still waits is dropped.
    package func put(
        _ item: consuming Item,
        unless promise: () -> Bool,
        send: ([Item]) -> Failure?,
        onLateFailure: (Failure) -> Void = { _ in }
    ) -> Failure? {
        // Moved on, so that nothing is counted for a copy.
        var item = Optional(item)
        state.withLock { state in
            if !state.isSending, state.collectors == 0, !state.isPromised { state.isPromised = promise() }
            if state.isSending || state.collectors > 0 || state.isPromised {
                if let item = item.take() { state.waiting.append(item) }
            } else {
                state.isSending = true
            }
        }
        guard let item = item.take() else { return nil }
        if let failure = send([item]) {
            giveUp()
            return failure
        }
        // Whoever is told that a message was not sent may send it again.
        if let failure = sendRest(send) { onLateFailure(failure) }
        return nil
    }

    /// Sends what waits, as was promised.
    ///
    /// - Returns: why that has failed.
    package func flush(send: ([Item]) -> Failure?) -> Failure? {
        let items = state.withLock { state -> [Item] in
            state.isPromised = false
            return Self.take(&state)
        }
        return sendAll(items, send)
    }

    /// Has messages wait that are put during `body`, and sends them together afterwards.
    ///
    /// - Returns: why that has failed.
    package func collect(during body: () -> Void, send: ([Item]) -> Failure?) -> Failure? {
        state.withLock { $0.collectors += 1 }
        body()
        let (items, end) = state.withLock { state -> ([Item], (@Sendable () -> Void)?) in
            state.collectors -= 1
            let items = Self.take(&state)
            return (items, items.isEmpty ? Self.takeEnd(&state) : nil)
        }
        defer { end?() }
        return sendAll(items, send)
    }

    /// Sends what waits, then calls `end`, once; or has that done by whoever is sending or collecting.
    ///
    /// That sending fails is nobody's concern any more.
    package func finish(_ end: @escaping @Sendable () -> Void, send: ([Item]) -> Failure?) {
        let (items, end) = state.withLock { state -> ([Item], (@Sendable () -> Void)?) in
            state.end = end
            let items = Self.take(&state)
            return (items, items.isEmpty ? Self.takeEnd(&state) : nil)
        }
        _ = sendAll(items, send)
        end?()
    }

    /// What waits, for a caller who then sends; empty when there is nothing, or somebody sends already.
    private static func take(_ state: inout State) -> [Item] {
        guard state.collectors == 0, !state.isSending, !state.waiting.isEmpty else { return [] }
        state.isSending = true
        defer { state.waiting = [] }
        return state.waiting
    }

    /// What is to be called now that nothing waits and nobody is at it; nil when it is not yet time, or not wanted.
    private static func takeEnd(_ state: inout State) -> (@Sendable () -> Void)? {
        guard state.collectors == 0, !state.isSending else { return nil }
        defer { state.end = nil }
        return state.end
    }

    /// Sends what has been taken, if anything has, and what comes meanwhile.
    private func sendAll(_ first: [Item], _ send: ([Item]) -> Failure?) -> Failure? {
        if first.isEmpty { return nil }
        if let failure = send(first) {
            giveUp()
            return failure
        }
        return sendRest(send)
    }

    private func sendRest(_ send: ([Item]) -> Failure?) -> Failure? {
        while true {
            // Nothing more has come: then somebody else may send.
            let (items, end) = state.withLock { state -> ([Item], (@Sendable () -> Void)?) in
                guard state.waiting.isEmpty else {
                    defer { state.waiting = [] }
                    return (state.waiting, nil)
                }
                state.isSending = false
                return ([], Self.takeEnd(&state))
            }
            if items.isEmpty {
                end?()
                return nil
            }
            if let failure = send(items) {
                giveUp()
                return failure
            }
        }
    }

    /// Drops what waits: sending has failed.
    private func giveUp() {
        let end = state.withLock { state in
            state.waiting = []
            state.isSending = false
            return Self.takeEnd(&state)
        }
        end?()
    }
}
