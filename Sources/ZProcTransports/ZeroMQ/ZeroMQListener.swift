// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore
internal import ZeroMQ

/// A ROUTER socket: its first frame names the link, the second is the message.
final class ZeroMQListener: TransportListener, SocketOwner {
    let endpoint: Endpoint
    private let socket: Socket
    private let lock: SocketFileLock?
    private let sockets: OpenSockets
    private let isClosed = Atomic(false)
    private let outbox = Outbox<(PeerID, [UInt8]), ZeroMQError>()
    /// Who hears of what comes in, once that is wanted.
    private let receiver = Mutex<(any ListenerReceiver)?>(nil)

    /// Whether each message says whose key it was encrypted with.
    private let isEncrypted: Bool
    /// Whether ends of links are told of.
    private let isMonitored: Bool

    init(
        _ socket: Socket,
        endpoint: Endpoint,
        lock: SocketFileLock?,
        isEncrypted: Bool,
        isMonitored: Bool,
        among sockets: OpenSockets
    ) {
        self.socket = socket
        self.isEncrypted = isEncrypted
        self.isMonitored = isMonitored
        self.endpoint = endpoint
        self.lock = lock
        self.sockets = sockets
        sockets.insert(self)
    }

    /// Receives until the socket is closed.
    func start(_ receiver: any ListenerReceiver) throws(TransportError) {
        self.receiver.withLock { $0 = receiver }
        try wrapped(endpoint) { () throws(ZeroMQError) in
            if isMonitored { try monitor(receiver) }
            try socket.deliver { [weak self, receiver] batch in
                guard let self else { return }
                var batch = batch
                // What is answered at once goes out as one batch, too.
                _ = outbox.collect {
                    // A function and not a closure, which would be made anew each time.
                    func handOver() {
                        while let (frames, user) = batch.popFrames(2, withUser: isEncrypted) {
                            guard frames.count == 2 else { continue }
                            receiver.listenerReceived(frames[1], from: PeerID(frames[0], key: user))
                        }
                    }
                    if batch.count == 1 { handOver() } else { receiver.listenerReceivedTogether(handOver) }
                } send: { messages in
                    self.send(messages)
                }
            }
        }
    }

    /// Tells of ends of links until the socket is closed.
    private func monitor(_ receiver: any ListenerReceiver) throws(ZeroMQError) {
        let events = try socket.monitor([.disconnected])
        Task(executorPreference: socket.context.loop) { [weak receiver] in
            for await event in events where event.kind == .disconnected { receiver?.listenerLostSomebody() }
        }
    }

    func send(_ message: [UInt8], to peer: PeerID) throws(TransportError) {
        let failure = outbox.put((peer, message)) {
            socket.context.loop.deferred({ [weak self] in self?.flush() })
        } send: { messages in
            send(messages)
        }
        if let failure { throw TransportError(.closed, "\(endpoint): \(failure.message)") }
    }

    private func flush() {
        // It fails when the listener has been closed; then nobody waits.
        _ = outbox.flush(send: send)
    }

    private func send(_ messages: [(PeerID, [UInt8])]) -> ZeroMQError? {
        var batch = MessageBatch()
        for (peer, message) in messages { batch.append(Multipart(Message(peer.bytes), Message(message))) }
        while !batch.isEmpty {
            do throws(ZeroMQError) {
                _ = try socket.trySend(&batch)
                if batch.isEmpty { return nil }
                // That peer does not take what it is sent; it is lost, so that nothing piles up for it.
                receiver.withLock { $0 }?.listenerLost(messages[messages.count - batch.count].0)
                _ = batch.popFirst()
            } catch {
                guard error.code == .unreachable else { return error }
                // That peer has gone; the others have not.
                receiver.withLock { $0 }?.listenerLost(messages[messages.count - batch.count].0)
                _ = batch.popFirst()
            }
        }
        return nil
    }

    /// When it has sent what was to be sent.
    func close() {
        guard !isClosed.exchange(true, ordering: .relaxed) else { return }
        outbox.finish { [socket, lock, sockets, id = ObjectIdentifier(self)] in
            socket.close()
            lock?.release()
            sockets.remove(id)
        } send: { messages in
            send(messages)
        }
    }
}

extension MessageBatch {
    /// Takes the next message out: its frames if there are `count`, none if it has another shape; nil after the last.
    mutating func popFrames(_ count: Int) -> [[UInt8]]? { popFrames(count, withUser: false)?.frames }

    /// The same, and whose key the message was encrypted with, if that is wanted.
    mutating func popFrames(_ count: Int, withUser: Bool) -> (frames: [[UInt8]], user: PublicKey?)? {
        var left = firstFrameCount
        if left == 0 { return nil }
        var frames: [[UInt8]] = [], user: PublicKey?
        let isExpected = left == count
        while left > 0, let frame = popFrame() {
            if isExpected { frames.append(Array(frame)) }
            if withUser, left == 1 { user = frame[.userID].flatMap { PublicKey($0) } }
            left -= 1
        }
        return (frames, user)
    }
}
