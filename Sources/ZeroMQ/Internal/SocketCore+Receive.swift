// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Synchronization

extension SocketCore {
    /// Receives one frame, which is left initialised only if the result is 0; EAGAIN when there is none.
    func tryReceive(into frame: inout czeromq_frame) -> ErrorNumber {
        attempt(elseWait: nil) { receiveFrame(into: &frame, from: $0) }.result
    }

    /// Receives up to `limit` whole messages; EAGAIN when there is none.
    func tryReceive(upTo limit: Int, into batch: inout MessageBatch) -> ErrorNumber {
        attempt(elseWait: nil) { receiveMessages(upTo: limit, into: &batch, from: $0) }.result
    }

    /// Receives one frame, or waits for it.
    ///
    /// The frame is initialised only if the result is 0.
    func receive(into frame: inout czeromq_frame) async -> ErrorNumber {
        let (result, waiter) = attempt(elseWait: .frame) { receiveFrame(into: &frame, from: $0) }
        guard let waiter else { return result }
        await wait(for: waiter)
        frame = waiter.frame
        return waiter.result
    }

    /// Receives up to `limit` messages, or waits until there is at least one.
    func receive(upTo limit: Int, into batch: inout MessageBatch) async -> ErrorNumber {
        let (result, waiter) = attempt(elseWait: .messages(limit)) {
            receiveMessages(upTo: limit, into: &batch, from: $0)
        }
        guard let waiter else { return result }
        await wait(for: waiter)
        batch = waiter.takeReceived()
        return waiter.result
    }

    /// Receives by `receive` if nobody waits already; lines up a waiter with the given demand if there is nothing.
    ///
    /// Trying and lining up are one step under the lock, so that the waiter is left with all commands processed.
    @inline(__always)
    private func attempt(
        elseWait demand: ReceiveWaiter.Demand?,
        receive: (UnsafeMutableRawPointer) -> ErrorNumber
    ) -> (result: ErrorNumber, waiter: ReceiveWaiter?) {
        var resumptions = Resumptions()
        var waiter: ReceiveWaiter?
        let result = state.withLock { state -> ErrorNumber in
            guard let handle = state.handle else { return ENOTSOCK }
            var result = EAGAIN
            if state.receivers.isEmpty { result = receive(handle) }
            if result == EAGAIN, let demand {
                // A descriptor that is ready already is an edge when the loop begins to watch it.
                let watched = watch(&state)
                if watched != 0 { return watched }
                let newcomer = ReceiveWaiter(demand)
                state.receivers.append(newcomer)
                waiter = newcomer
            }
            if !state.senders.isEmpty { state.serve(routing: kind.routesByFirstFrame, into: &resumptions) }
            return result
        }
        resumptions.resume()
        return (result, waiter)
    }
}

/// Receives a frame without waiting.
///
/// EAGAIN means that libzmq has processed all its commands.
@inline(__always)
func receiveFrame(into frame: inout czeromq_frame, from handle: UnsafeMutableRawPointer) -> ErrorNumber {
    czeromq_frame_init(&frame)
    while czeromq_frame_receive(&frame, handle, ZMQ_DONTWAIT) == -1 {
        let number = zmq_errno()
        if number != EINTR { return number }
    }
    return 0
}

/// Receives whole messages without waiting; 0 if at least one came.
func receiveMessages(
    upTo limit: Int,
    into batch: inout MessageBatch,
    from handle: UnsafeMutableRawPointer
) -> ErrorNumber {
    var received = 0
    while received < limit {
        // libzmq hands over whole messages only, so that the later frames of a begun one are there.
        var more = true
        while more {
            let frame = batch.frames.appendUninitialized()
            let result = receiveFrame(into: &frame.pointee, from: handle)
            if result != 0 {
                batch.frames.removeLast()
                return received > 0 ? 0 : result
            }
            more = czeromq_frame_more(frame) != 0
        }
        batch.ends.append(batch.takenFrames + batch.frames.count)
        received += 1
    }
    return 0
}

extension SocketCore.State {
    /// Serves waiters in order until none is left or libzmq, with all commands processed, has nothing for them.
    mutating func serve(routing: Bool, into resumptions: inout Resumptions) {
        if !receivers.isEmpty { serveReceivers(into: &resumptions) }
        // Receiving may have processed the command that lets a sender go on.
        if !senders.isEmpty {
            serveSenders(routing: routing, into: &resumptions)
            // And the other way round.
            if !receivers.isEmpty { serveReceivers(into: &resumptions) }
        }
    }

    private mutating func serveReceivers(into resumptions: inout Resumptions) {
        guard let handle else { return }
        while let waiter = receivers.first {
            let result =
                switch waiter.demand {
                case .frame: receiveFrame(into: &waiter.frame, from: handle)
                case .messages(let limit): receiveMessages(upTo: limit, into: &waiter.received, from: handle)
                }
            if result == EAGAIN { return }
            receivers.removeFirst()
            resumptions.append(waiter.finish(result))
        }
    }
}
