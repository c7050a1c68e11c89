// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeakReferences
internal import ZProcCore
internal import ZeroMQ

/// A DEALER socket with one connection.
///
/// The end of the connection is the end of the link.
final class ZeroMQLink: TransportLink, SocketOwner {
    private let socket: Socket
    private let loop: SocketLoop
    private let endpoint: Endpoint
    private let receiver: any LinkReceiver
    private let sockets: OpenSockets
    private let outbox = Outbox<[UInt8], ZeroMQError>()
    /// Why there is no link any more; nil as long as there is one.
    private let ended = Mutex<TransportError?>(nil)

    init(_ socket: Socket, endpoint: Endpoint, receiver: any LinkReceiver, among sockets: OpenSockets) {
        self.socket = socket
        loop = socket.context.loop
        self.sockets = sockets
        self.endpoint = endpoint
        self.receiver = receiver
        sockets.insert(self)
    }

    /// Connects, receives, and watches for the end, until the socket is closed.
    func connect() throws(ZeroMQError) {
        let events = try socket.monitor([
            .handshakeSucceeded, .connectRetried, .closed, .disconnected, .handshakeFailedNoDetail,
            .handshakeFailedProtocol, .handshakeFailedAuthentication,
        ])
        try socket.deliver { [receiver] batch in
            var batch = batch
            while !batch.isEmpty {
                guard let message = batch.popMessage() else { continue }
                if Bundle.forEachMessage(in: message, receiver.linkReceived) == nil { receiver.linkReceived(message) }
            }
        }
        try socket.connect(to: endpoint.description)
        // Ends when the socket is closed.
        Task(executorPreference: loop) { [link = WeakReference(self), endpoint] in
            var isConnected = false
            for await event in events {
                switch event.kind {
                case .handshakeSucceeded:
                    isConnected = true
                // Without detail, the handshake broke off: a peer that dies still accepts for a moment.
                case .disconnected, .connectRetried, .closed, .handshakeFailedNoDetail:
                    let error =
                        isConnected
                        ? TransportError(
                            .peerGone,
                            "the node at \(endpoint) has gone; its calls may or may not have run"
                        )
                        : TransportError(.unreachable, "nobody listens at \(endpoint); is the program there running?")
                    // What it said before it went may still lie there.
                    link.object?.socket.finishDelivery { link.object?.end(error) }
                    return
                case .handshakeFailedAuthentication:
                    link.object?.end(TransportError(.refused, "the node at \(endpoint) does not let this one's key in"))
                    return
                case .handshakeFailedProtocol:
                    let text = "what listens at \(endpoint) is no node, or has other keys than are expected"
                    link.object?.end(TransportError(.refused, text))
                    return
                default:
                    break
                }
            }
        }
    }

    func send(_ head: [UInt8], body: [UInt8]) throws(TransportError) {
        if body.isEmpty { return try send(head) }
        try send(head + body)
    }

    func send(_ message: [UInt8]) throws(TransportError) {
        let failure = outbox.put(message) {
            loop.deferred({ [link = WeakReference(self)] in link.object?.flush() })
        } send: { messages in
            send(messages)
        } onLateFailure: { error in
            end(self.failure(error))
        }
        if let failure { throw self.failure(failure) }
    }

    /// Sends what waits for it; a failure cannot be told to those who had put it there, so the link ends.
    private func flush() {
        if let failure = outbox.flush(send: send) { end(self.failure(failure)) }
    }

    private func send(_ messages: [[UInt8]]) -> ZeroMQError? {
        var batch = MessageBatch()
        for message in Bundle.joined(messages) { batch.append(Message(message)) }
        do throws(ZeroMQError) {
            _ = try socket.trySend(&batch)
            return nil
        } catch {
            return error
        }
    }

    private func failure(_ error: ZeroMQError) -> TransportError {
        ended.withLock { $0 } ?? TransportError(.resources, "\(endpoint): \(error.message)")
    }

    /// When it has sent what was to be sent.
    func close() {
        guard markEnded(TransportError(.closed, "this side has closed the link to \(endpoint)")) else { return }
        outbox.finish { [socket, sockets, id = ObjectIdentifier(self)] in
            socket.close()
            sockets.remove(id)
        } send: { messages in
            send(messages)
        }
    }

    private func end(_ error: TransportError) {
        guard markEnded(error) else { return }
        // Nobody is there to take what is left.
        try? socket.set(.linger, to: .zero)
        socket.close()
        sockets.remove(ObjectIdentifier(self))
        receiver.linkClosed(error)
    }

    private func markEnded(_ error: TransportError) -> Bool {
        ended.withLock { ended in
            guard ended == nil else { return false }
            ended = error
            return true
        }
    }
}
