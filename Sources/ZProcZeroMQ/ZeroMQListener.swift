// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore
internal import ZeroMQ

/// A ROUTER socket: its first frame names the link, the second is the message.
final class ZeroMQListener: TransportListener {
    let endpoint: Endpoint
    private let socket: Socket
    private let lock: SocketFileLock?
    private let receiver: any ListenerReceiver

    init(_ socket: Socket, endpoint: Endpoint, lock: SocketFileLock?, receiver: any ListenerReceiver) {
        self.socket = socket
        self.endpoint = endpoint
        self.lock = lock
        self.receiver = receiver
        // Ends when the socket is closed.
        Task(executorPreference: socket.context.loop) { [socket, receiver] in
            while var batch = try? await socket.receiveBatch() {
                while let message = batch.popFirst() {
                    // Peers that send other shapes than one frame are no nodes.
                    guard message.count == 2 else { continue }
                    receiver.listenerReceived(message[1], from: PeerID(message[0]))
                }
            }
        }
    }

    func send(_ message: [UInt8], to peer: PeerID) throws(TransportError) {
        var parts = Multipart(Message(peer.bytes), Message(message))
        do throws(ZeroMQError) {
            _ = try socket.trySend(&parts)
        } catch {
            if error.code == .unreachable { return receiver.listenerLost(peer) }
            throw TransportError(.closed, "\(endpoint): \(error.message)")
        }
    }

    func close() {
        socket.close()
        lock?.release()
    }
}
