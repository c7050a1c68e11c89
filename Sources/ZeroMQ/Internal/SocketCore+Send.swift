// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Synchronization

/// The frames of one message, lent for a call.
///
/// Unchecked because a pointer is not Sendable: nobody keeps it, and the lender waits for the call.
struct FrameRow: @unchecked Sendable {
    let first: UnsafeMutablePointer<czeromq_frame>
    let count: Int
}

extension SocketCore {
    /// Sends one message, whose contents libzmq takes over if the result is 0.
    ///
    /// EAGAIN when it would have to wait, or others wait already that must go first.
    func trySend(_ frames: FrameRow) -> ErrorNumber {
        var resumptions = Resumptions()
        var mustPoke = false
        let result = state.withLock { state -> ErrorNumber in
            guard let handle = state.handle else { return ENOTSOCK }
            if !state.senders.isEmpty, state.mustQueue(behind: frames, routing: kind.routesByFirstFrame) {
                return EAGAIN
            }
            let result = sendMessage(frames, to: handle)
            state.serve(routing: kind.routesByFirstFrame, into: &resumptions)
            mustPoke = state.hasUnsignalledMessages()
            return result
        }
        resumptions.resume()
        if mustPoke { context.loop.core.poke(self) }
        return result
    }

    /// Sends messages from the front of `batch` until it is empty (0) or one has to wait (EAGAIN).
    func trySend(_ batch: inout MessageBatch) -> ErrorNumber {
        var resumptions = Resumptions()
        var mustPoke = false
        let result = state.withLock { state -> ErrorNumber in
            guard let handle = state.handle else { return ENOTSOCK }
            if !state.senders.isEmpty { return EAGAIN }
            let result = sendMessages(from: &batch, to: handle)
            state.serve(routing: kind.routesByFirstFrame, into: &resumptions)
            mustPoke = state.hasUnsignalledMessages()
            return result
        }
        resumptions.resume()
        if mustPoke { context.loop.core.poke(self) }
        return result
    }

    /// Sends a batch, or waits until all of it could be sent.
    ///
    /// What an error leaves unsent is dropped.
    func send(_ batch: consuming MessageBatch) async -> ErrorNumber {
        let result = trySend(&batch)
        if result != EAGAIN { return result }
        return await waitToSend(batch)
    }

    /// Lines a batch up behind those that wait already, and waits until it has been sent.
    func waitToSend(_ batch: consuming MessageBatch) async -> ErrorNumber {
        let waiter = SendWaiter(batch)
        startWaiting(waiter)
        await wait(for: waiter)
        return waiter.result
    }

    private func startWaiting(_ waiter: SendWaiter) {
        var resumptions = Resumptions()
        var mustPoke = false
        state.withLock { state in
            let result = state.handle == nil ? ENOTSOCK : watchForReads(&state)
            if result != 0 {
                _ = waiter.finish(result)
                return
            }
            state.senders.append(waiter)
            state.serve(routing: kind.routesByFirstFrame, into: &resumptions)
            mustPoke = state.hasUnsignalledMessages()
        }
        resumptions.resume()
        if mustPoke { context.loop.core.poke(self) }
    }
}

extension SocketCore.State {
    /// Sends for waiters in order until none is left or libzmq, with all commands processed, takes no more.
    ///
    /// Where the first frame names the peer, a waiter holds up only those for the same peer.
    mutating func serveSenders(routing: Bool, into resumptions: inout Resumptions) {
        guard let handle else { return }
        if !routing {
            while let waiter = senders.first {
                let result = sendMessages(from: &waiter.unsent, to: handle)
                if result == EAGAIN { return }
                senders.removeFirst()
                resumptions.append(waiter.finish(result))
            }
            return
        }
        var fullPeers: [[UInt8]] = []
        senders.forEach { waiter in
            let peer = waiter.unsent.firstPeer
            if fullPeers.contains(peer) { return }
            let result = sendMessages(from: &waiter.unsent, to: handle)
            if result == EAGAIN {
                fullPeers.append(waiter.unsent.firstPeer)
                fullPeers.append(peer)
            } else {
                resumptions.append(waiter.finish(result))
            }
        }
        senders.removeDone()
    }

    /// Whether a waiting sender has to be served before the message of `frames`.
    func mustQueue(behind frames: FrameRow, routing: Bool) -> Bool {
        if !routing { return true }
        let peer = UnsafeRawBufferPointer(
            start: czeromq_frame_data(frames.first),
            count: czeromq_frame_size(frames.first)
        )
        var isFull = false
        senders.forEach { waiter in
            if waiter.unsent.firstPeer.elementsEqual(peer) { isFull = true }
        }
        return isFull
    }
}

extension MessageBatch {
    /// The routing id that the first message begins with.
    fileprivate var firstPeer: [UInt8] {
        isEmpty ? [] : withUnsafeBytesOfFirst(at: 0) { Array($0) }
    }
}

/// Sends whole messages from the front of `batch` without waiting, until it is empty (0) or one fails.
private func sendMessages(from batch: inout MessageBatch, to handle: UnsafeMutableRawPointer) -> ErrorNumber {
    while !batch.isEmpty {
        let result = sendMessage(FrameRow(first: batch.frames.frame(at: 0), count: batch.firstFrameCount), to: handle)
        if result != 0 { return result }
        batch.dropFirst()
    }
    return 0
}

/// Sends one message without waiting.
///
/// EAGAIN means that libzmq has processed all its commands and took no frame.
private func sendMessage(_ frames: FrameRow, to handle: UnsafeMutableRawPointer) -> ErrorNumber {
    let count = frames.count
    var result = sendFrame(frames.first, isLast: count == 1, to: handle)
    if result == EAGAIN || result == EHOSTUNREACH {
        // Sending looks at commands only now and then; a peer that is new or has room again may be among them.
        var events: Int32 = 0
        var size = MemoryLayout<Int32>.size
        let update = errorNumber { zmq_getsockopt(handle, ZMQ_EVENTS, &events, &size) }
        if update != 0 { return update }
        result = sendFrame(frames.first, isLast: count == 1, to: handle)
    }
    if result != 0 { return result }
    for index in 1..<max(1, count) {
        let frame = frames.first + index
        result = sendFrame(frame, isLast: index == count - 1, to: handle)
        // The peer has gone in the middle. libzmq drops the rest, as it does with what lies in the lost connection.
        if result == EAGAIN {
            czeromq_frame_close(frame)
            czeromq_frame_init(frame)
        } else if result != 0 {
            return result
        }
    }
    return 0
}

@inline(__always)
private func sendFrame(
    _ frame: UnsafeMutablePointer<czeromq_frame>,
    isLast: Bool,
    to handle: UnsafeMutableRawPointer
) -> ErrorNumber {
    while czeromq_frame_send(frame, handle, isLast ? ZMQ_DONTWAIT : ZMQ_DONTWAIT | ZMQ_SNDMORE) == -1 {
        let number = zmq_errno()
        if number != EINTR { return number }
    }
    return 0
}
