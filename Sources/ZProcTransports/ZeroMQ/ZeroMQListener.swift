// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeakReferences
internal import ZProcCore
internal import ZeroMQ

/// A ROUTER socket: its first frame names the link, the second is the message.
final class ZeroMQListener: TransportListener, SocketOwner {
    let endpoint: Endpoint
    private let socket: Socket
    private let loop: SocketLoop
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
        loop = socket.context.loop
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
            if isMonitored { try monitor() }
            try socket.deliver { [listener = WeakReference(self), receiver] batch in
                guard let listener = listener.object else { return }
                var batch = batch
                while !batch.isEmpty {
                    // What is answered at once goes out as one batch, too.
                    _ = listener.outbox.collect {
                        listener.handOver(&batch, to: receiver)
                    } send: { messages in
                        listener.send(messages)
                    }
                }
            }
        }
    }

    /// So many messages are handed over at most before their answers go out.
    private static let mostTogether = 1_000

    private func handOver(_ batch: inout MessageBatch, to receiver: any ListenerReceiver) {
        if batch.count == 1 {
            guard let (peer, message) = batch.popAddressed(withUser: isEncrypted) else { return }
            if Bundle.isBundle(message) {
                receiver.listenerReceivedTogether { _ = Self.handOver(message, from: peer, to: receiver) }
            } else {
                receiver.listenerReceived(message, from: peer)
            }
            return
        }
        receiver.listenerReceivedTogether {
            var count = 0
            while !batch.isEmpty, count < Self.mostTogether {
                guard let (peer, message) = batch.popAddressed(withUser: isEncrypted) else { continue }
                count += Self.handOver(message, from: peer, to: receiver)
            }
        }
    }

    /// Hands over a message, or those that have come in a bundle.
    ///
    /// - Returns: how many there were.
    private static func handOver(_ message: [UInt8], from peer: PeerID, to receiver: any ListenerReceiver) -> Int {
        let count = Bundle.forEachMessage(in: message) { message in
            if Bundle.isHello(message) {
                receiver.listenerReceived(message, from: PeerID(peer.bytes, key: peer.key, takesBundles: true))
            } else {
                receiver.listenerReceived(message, from: peer)
            }
        }
        if let count { return count }
        receiver.listenerReceived(message, from: peer)
        return 1
    }

    /// Tells of ends of links until the socket is closed.
    private func monitor() throws(ZeroMQError) {
        let events = try socket.monitor([.disconnected])
        Task(executorPreference: loop) { [listener = WeakReference(self)] in
            for await event in events where event.kind == .disconnected {
                listener.object?.receiver.withLock { $0 }?.listenerLostSomebody()
            }
        }
    }

    func send(_ head: [UInt8], body: [UInt8], to peer: PeerID) throws(TransportError) {
        if body.isEmpty { return try send(head, to: peer) }
        try send(head + body, to: peer)
    }

    func send(_ message: [UInt8], to peer: PeerID) throws(TransportError) {
        let failure = outbox.put((peer, message)) {
            loop.deferred({ [listener = WeakReference(self)] in listener.object?.flush() })
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
        let messages = Self.joined(messages)
        var batch = MessageBatch()
        for (peer, message) in messages { batch.append(Message(peer.bytes), Message(message)) }
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

    /// The same messages with those together that go to the same peer one after the other, if it takes that.
    private static func joined(_ messages: [(PeerID, [UInt8])]) -> [(PeerID, [UInt8])] {
        if messages.count == 1 { return messages }
        var joined: [(PeerID, [UInt8])] = [], start = 0
        while start < messages.count {
            let peer = messages[start].0
            var end = start + 1
            if peer.takesBundles { while end < messages.count, messages[end].0 == peer { end += 1 } }
            if end - start == 1 {
                joined.append(messages[start])
            } else {
                for bundle in Bundle.joined(messages[start..<end].map(\.1)) { joined.append((peer, bundle)) }
            }
            start = end
        }
        return joined
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
    /// Takes the next message out; nil for one that has more than one frame.
    mutating func popMessage() -> [UInt8]? {
        guard firstFrameCount == 1, let frame = popFrame() else {
            _ = popFirst()
            return nil
        }
        return Array(frame)
    }

    /// Takes the next message of a ROUTER out, and who it came from; nil for one that has not two frames.
    ///
    /// - Parameter withUser: whether to say whose key it was encrypted with.
    /// - Returns: the link it came by, and its bytes.
    mutating func popAddressed(withUser: Bool) -> (peer: PeerID, message: [UInt8])? {
        guard firstFrameCount == 2, let name = popFrame(), let frame = popFrame() else {
            _ = popFirst()
            return nil
        }
        let user = withUser ? frame[.userID].flatMap { PublicKey($0) } : nil
        return (PeerID(Array(name), key: user), Array(frame))
    }
}
