// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Synchronization

/// Takes messages as they come, on the loop's thread.
typealias DeliveryHandler = @Sendable (consuming MessageBatch) -> Void

extension SocketCore {
    private static let deliveryLimit = 1000

    /// Has the loop receive for `handler` from now on, and no longer for tasks.
    func deliver(to handler: @escaping DeliveryHandler) -> ErrorNumber {
        let result = state.withLock { state -> ErrorNumber in
            guard state.handle != nil else { return ENOTSOCK }
            state.handler = handler
            return watch(&state)
        }
        if result == 0 { context.loop.core.poke(self) }
        return result
    }

    /// Receives all there is and hands it over, on the loop's thread, after an edge of the descriptor or a poke.
    ///
    /// The lock is free while the handler runs, and the descriptor armed: libzmq had nothing more. So what the handler
    /// wakes can send at once, and nothing of what it sets going has to be waited for.
    func deliver(_ handler: DeliveryHandler) {
        while true {
            var batch = MessageBatch()
            var resumptions = Resumptions()
            var isAll = true
            let result = state.withLock { state -> ErrorNumber in
                guard let handle = state.handle else { return ENOTSOCK }
                let result = receiveMessages(upTo: Self.deliveryLimit, into: &batch, from: handle)
                if !state.senders.isEmpty {
                    state.serveSenders(routing: kind.routesByFirstFrame, into: &resumptions)
                    // Sending may have swallowed the signal for what has come since.
                    if state.hasUnsignalledMessages() { isAll = false }
                }
                return result
            }
            resumptions.resume()
            if result != 0, result != EAGAIN { return }
            if batch.count == Self.deliveryLimit { isAll = false }
            if !batch.isEmpty { handler(batch) }
            if isAll { return }
        }
    }
}

extension SocketCore.State {
    /// Whether messages lie there for the handler whose signal a call may have swallowed.
    func hasUnsignalledMessages() -> Bool {
        guard handler != nil, let handle else { return false }
        var events: Int32 = 0
        var size = MemoryLayout<Int32>.size
        return zmq_getsockopt(handle, ZMQ_EVENTS, &events, &size) == 0 && events & Int32(ZMQ_POLLIN) != 0
    }
}

extension Socket {
    /// Hands every message to `handler` as it comes, in order, on the thread of the context's ``SocketLoop``.
    ///
    /// For servers and connections with many messages: they come in batches, no task is suspended or resumed for them,
    /// and the socket is free for sending while the handler runs. The handler holds up all sockets of the context, so
    /// it must be quick and never block. From then on receiving from tasks waits for ever. Ends when the socket is
    /// closed, which may happen from inside the handler.
    ///
    /// - Throws: ``ZeroMQError/Code/closed`` when the socket is closed.
    public func deliver(to handler: @escaping @Sendable (consuming MessageBatch) -> Void) throws(ZeroMQError) {
        let result = core.deliver(to: handler)
        if result != 0 { throw ZeroMQError(result, while: "receive from a \(kind) socket") }
    }
}
