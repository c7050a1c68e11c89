// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Synchronization

/// Takes messages as they come, on the loop's thread.
typealias DeliveryHandler = @Sendable (consuming MessageBatch) -> Void

/// Who gets them: a struct, because a function that is optional is wrapped, on the heap, each time it is read.
struct Delivery {
    let handler: DeliveryHandler
}

extension SocketCore {
    private static let deliveryLimit = 1000

    /// Has the loop receive for `handler` from now on, and no longer for tasks.
    func deliver(to handler: @escaping DeliveryHandler) -> ErrorNumber {
        let result = state.withLock { state -> ErrorNumber in
            guard state.handle != nil else { return ENOTSOCK }
            state.handler = Delivery(handler: handler)
            return watch(&state)
        }
        if result == 0 { context.loop.core.poke(self) }
        return result
    }

    /// Hands over what is there, then calls `action`; nothing is handed over any more.
    func finishDelivery(then action: @escaping @Sendable () -> Void) {
        let isOpen = state.withLock { state in
            guard state.handle != nil, state.handler != nil else { return false }
            state.deliveryEnd = action
            return true
        }
        if isOpen { context.loop.core.poke(self) } else { action() }
    }

    /// Receives all there is and hands it over, on a thread of the loop, after an edge of the descriptor or a poke.
    ///
    /// One thread at a time, for the sake of the order; another one that comes has the first look again. The lock is free
    /// while the handler runs, and the descriptor armed: libzmq had nothing more. So what the handler wakes can send at
    /// once, and nothing of what it sets going has to be waited for.
    func deliver(_ delivery: Delivery) {
        let isFirst = state.withLock { state in
            state.mustDeliverAgain = state.isDelivering
            defer { state.isDelivering = true }
            return !state.isDelivering
        }
        guard isFirst else { return }
        while true {
            var batch = MessageBatch()
            var resumptions = Resumptions()
            var isAll = true
            let result = state.withLock { state -> ErrorNumber in
                guard let handle = state.handle else { return ENOTSOCK }
                state.mustDeliverAgain = false
                let result = receiveMessages(upTo: Self.deliveryLimit, into: &batch, from: handle)
                if !state.senders.isEmpty {
                    state.serveSenders(routing: kind.routesByFirstFrame, into: &resumptions)
                    // Sending may have swallowed the signal for what has come since.
                    if state.hasUnsignalledMessages() { isAll = false }
                }
                return result
            }
            resumptions.resume()
            let isOpen = result == 0 || result == EAGAIN
            if isOpen, batch.count == Self.deliveryLimit { isAll = false }
            if isOpen, !batch.isEmpty { delivery.handler(batch) }
            let (goesOn, end) = state.withLock { state -> (Bool, (@Sendable () -> Void)?) in
                if isOpen, state.handle != nil, !isAll || state.mustDeliverAgain { return (true, nil) }
                defer { state.deliveryEnd = nil }
                // After the end nobody delivers.
                state.isDelivering = state.deliveryEnd != nil
                return (false, state.deliveryEnd)
            }
            if goesOn { continue }
            end?()
            return
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

    /// Hands over what has come, then calls `action`, once; what comes later is not handed over.
    ///
    /// On a thread of the loop, or at once when nothing is handed over because the socket is closed.
    package func finishDelivery(then action: @escaping @Sendable () -> Void) { core.finishDelivery(then: action) }
}
