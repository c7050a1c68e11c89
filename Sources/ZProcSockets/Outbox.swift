// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Messages on their way into a socket, in order.
///
/// Whoever finds nobody sending sends, on its own thread, until nothing is left; the others put their message down and
/// go on. So threads never wait for each other, and what comes while one is sending goes out as one batch. When many jobs
/// wait for their turn, each with something to send, nobody sends at once: one sends for all.
package final class Outbox<Item: Sendable>: Sendable {
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
    ///   - onLateFailure: gets what `send` throws for others' messages, which this caller has sent after its own. They
    ///     are lost, and those who put them down cannot be told otherwise.
    /// - Throws: what `send` throws for `item`, which has not been sent then; what still waits is dropped.
    package func put<Failure: Error>(
        _ item: Item,
        unless promise: () -> Bool,
        send: ([Item]) throws(Failure) -> Void,
        onLateFailure: (Failure) -> Void = { _ in }
    ) throws(Failure) {
        let isAlone = state.withLock { state in
            if !state.isSending, state.collectors == 0, !state.isPromised { state.isPromised = promise() }
            if state.isSending || state.collectors > 0 || state.isPromised {
                state.waiting.append(item)
                return false
            }
            state.isSending = true
            return true
        }
        guard isAlone else { return }
        // Whoever is told that a message was not sent may send it again.
        var isSent = false
        do throws(Failure) {
            try sendAll([item]) { items throws(Failure) in
                try send(items)
                isSent = true
            }
        } catch {
            if !isSent { throw error }
            onLateFailure(error)
        }
    }

    /// Sends what waits, as was promised.
    ///
    /// - Throws: what `send` throws.
    package func flush<Failure: Error>(send: ([Item]) throws(Failure) -> Void) throws(Failure) {
        let items = state.withLock { state -> [Item] in
            state.isPromised = false
            return Self.take(&state)
        }
        if !items.isEmpty { try sendAll(items, send) }
    }

    /// Has messages wait that are put during `body`, and sends them together afterwards.
    ///
    /// - Throws: what `send` throws.
    package func collect<Failure: Error>(
        during body: () -> Void,
        send: ([Item]) throws(Failure) -> Void
    ) throws(Failure) {
        state.withLock { $0.collectors += 1 }
        body()
        let (items, end) = state.withLock { state -> ([Item], (@Sendable () -> Void)?) in
            state.collectors -= 1
            let items = Self.take(&state)
            return (items, items.isEmpty ? Self.takeEnd(&state) : nil)
        }
        if !items.isEmpty { try sendAll(items, send) }
        end?()
    }

    /// Sends what waits, then calls `end`, once; or has that done by whoever is sending or collecting.
    ///
    /// - Throws: what `send` throws; `end` is called all the same.
    package func finish<Failure: Error>(
        _ end: @escaping @Sendable () -> Void,
        send: ([Item]) throws(Failure) -> Void
    ) throws(Failure) {
        let (items, end) = state.withLock { state -> ([Item], (@Sendable () -> Void)?) in
            state.end = end
            let items = Self.take(&state)
            return (items, items.isEmpty ? Self.takeEnd(&state) : nil)
        }
        if !items.isEmpty { try sendAll(items, send) }
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

    private func sendAll<Failure: Error>(
        _ first: [Item],
        _ send: ([Item]) throws(Failure) -> Void
    ) throws(Failure) {
        do throws(Failure) {
            try send(first)
            while let items = next() { try send(items) }
        } catch {
            let end = state.withLock { state in
                state.waiting = []
                state.isSending = false
                return Self.takeEnd(&state)
            }
            end?()
            throw error
        }
        state.withLock { Self.takeEnd(&$0) }?()
    }

    /// What has come in the meantime; nil when nothing has, and then somebody else may send.
    private func next() -> [Item]? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.isSending = false
                return nil
            }
            defer { state.waiting = [] }
            return state.waiting
        }
    }
}
