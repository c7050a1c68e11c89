// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Messages on their way into a socket, in order.
///
/// Whoever finds nobody sending sends, on its own thread, until nothing is left; the others put their message down and
/// go on. So threads never wait for each other, and what comes while one is sending goes out as one batch.
final class Outbox<Item: Sendable>: Sendable {
    private struct State {
        var waiting: [Item] = []
        var isSending = false
    }
    private let state = Mutex(State())

    /// Sends `item`, unless somebody is sending, who then does.
    ///
    /// - Parameters:
    ///   - item: the message.
    ///   - send: gets messages in order, at least one.
    /// - Throws: what `send` throws; the sending ends, and what still waits is dropped.
    func put<Failure: Error>(_ item: Item, send: ([Item]) throws(Failure) -> Void) throws(Failure) {
        let isAlone = state.withLock { state in
            if state.isSending {
                state.waiting.append(item)
                return false
            }
            state.isSending = true
            return true
        }
        guard isAlone else { return }
        do throws(Failure) {
            try send([item])
            while let items = next() { try send(items) }
        } catch {
            state.withLock { $0 = State() }
            throw error
        }
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
