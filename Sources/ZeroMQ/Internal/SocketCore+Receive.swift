// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Synchronization

extension SocketCore {
    /// Receives one frame into `frame`, which is left initialised only if the result is 0.
    func tryReceive(into frame: inout czeromq_frame) -> ErrorNumber {
        var resumptions = Resumptions()
        let result = state.withLock { state -> ErrorNumber in
            guard let handle = state.handle else { return ENOTSOCK }
            if !state.receivers.isEmpty { return EAGAIN }
            let result = receiveFrame(into: &frame, from: handle)
            if !state.senders.isEmpty { state.serveSenders(routing: kind.routesByFirstFrame, into: &resumptions) }
            return result
        }
        resumptions.resume()
        return result
    }

    /// Receives up to `limit` whole messages; EAGAIN when there is none.
    func tryReceive(upTo limit: Int, into batch: inout MessageBatch) -> ErrorNumber {
        var resumptions = Resumptions()
        let result = state.withLock { state -> ErrorNumber in
            guard let handle = state.handle else { return ENOTSOCK }
            if !state.receivers.isEmpty { return EAGAIN }
            let result = receiveMessages(upTo: limit, into: &batch, from: handle)
            if !state.senders.isEmpty { state.serveSenders(routing: kind.routesByFirstFrame, into: &resumptions) }
            return result
        }
        resumptions.resume()
        return result
    }

    /// Lines `waiter` up. If it is the first, it is served at once or left behind with all commands processed.
    func startWaiting(_ waiter: ReceiveWaiter) {
        var resumptions = Resumptions()
        state.withLock { state in
            let result = state.handle == nil ? ENOTSOCK : watch(&state)
            if result != 0 {
                _ = waiter.finish(result)
                return
            }
            state.receivers.append(waiter)
            state.serve(routing: kind.routesByFirstFrame, into: &resumptions)
        }
        resumptions.resume()
    }

    /// Receives one frame, or waits for it. The frame is initialised only if the result is 0.
    func receive(into frame: inout czeromq_frame) async -> ErrorNumber {
        let result = tryReceive(into: &frame)
        if result != EAGAIN { return result }
        let waiter = ReceiveWaiter(.frame)
        startWaiting(waiter)
        await wait(for: waiter)
        frame = waiter.frame
        return waiter.result
    }

    /// Receives a batch, or waits until there is at least one message.
    func receive(_ demand: ReceiveWaiter.Demand, upTo limit: Int, into batch: inout MessageBatch) async -> ErrorNumber {
        let result = tryReceive(upTo: limit, into: &batch)
        if result != EAGAIN { return result }
        let waiter = ReceiveWaiter(demand)
        startWaiting(waiter)
        await wait(for: waiter)
        batch = waiter.takeReceived()
        return waiter.result
    }
}

/// Receives a frame without waiting. EAGAIN means that libzmq has processed all its commands.
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
                case .message: receiveMessages(upTo: 1, into: &waiter.received, from: handle)
                case .batch(let limit): receiveMessages(upTo: limit, into: &waiter.received, from: handle)
                }
            if result == EAGAIN { return }
            receivers.removeFirst()
            resumptions.append(waiter.finish(result))
        }
    }
}
