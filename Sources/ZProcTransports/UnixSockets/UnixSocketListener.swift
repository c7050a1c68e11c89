// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import WeakReferences
internal import ZProcCore
internal import ZeroMQ

/// Accepts connections; each is a link of its own, named by a number.
final class UnixSocketListener: TransportListener, LoopSource, SocketOwner {
    private enum Phase {
        case waiting, listening, closed
    }

    private struct State {
        var phase = Phase.waiting
        var receiver: (any ListenerReceiver)?
        /// By the numbers that they are named by.
        var streams: [UInt64: MessageStream] = [:]
        var accepted: UInt64 = 0
        /// Given up for a moment, to accept and turn away one for whom there is no descriptor.
        var spare: Int32
    }

    let endpoint: Endpoint
    let key: UInt64
    let descriptor: Int32
    private let loop: SocketLoop
    private let lock: SocketFileLock
    private let options: ListenOptions
    private let owners: OpenSockets
    private let state: Mutex<State>

    /// Takes over a socket that listens already.
    init(
        _ descriptor: Int32,
        endpoint: Endpoint,
        lock: SocketFileLock,
        options: ListenOptions,
        on loop: SocketLoop,
        among owners: OpenSockets
    ) {
        self.descriptor = descriptor
        self.endpoint = endpoint
        self.lock = lock
        self.options = options
        self.loop = loop
        self.owners = owners
        key = loop.makeKey()
        state = Mutex(State(spare: Self.openSpare()))
        owners.insert(self)
    }

    private static func openSpare() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }

    func start(_ receiver: any ListenerReceiver) throws(TransportError) {
        let number = state.withLock { state -> Int32 in
            guard state.phase == .waiting else { return 0 }
            state.phase = .listening
            state.receiver = receiver
            return loop.register(self)
        }
        if number != 0 { throw TransportError(.resources, "\(endpoint): \(String(cString: strerror(number)))") }
    }

    // MARK: Accepting

    func serve(_ events: LoopEvents) {
        while let (stream, peer, receiver) = accept() {
            do throws(UnixSocket.Failure) {
                try stream.open(handlers(for: peer, receiver))
            } catch {
                // The system has no room to watch it.
                state.withLock { _ = $0.streams.removeValue(forKey: Self.number(of: peer)) }
                stream.close()
            }
        }
    }

    /// The next one who connects and may; nil when there is none.
    private func accept() -> (MessageStream, PeerID, any ListenerReceiver)? {
        state.withLock { state in
            while state.phase == .listening, let receiver = state.receiver {
                let accepted: Int32
                do throws(UnixSocket.Failure) {
                    accepted = try UnixSocket.accept(descriptor)
                } catch {
                    switch error.number {
                    case EAGAIN: return nil
                    case EINTR, ECONNABORTED: continue
                    // Otherwise it would wait for ever, and so would those behind it.
                    case EMFILE where turnAway(&state), ENFILE where turnAway(&state): continue
                    default:
                        // The loop tells of new ones only.
                        AlarmClock.shared.set(after: Self.pause) { [listener = WeakReference(self)] in
                            listener.object?.serve(.data)
                        }
                        return nil
                    }
                }
                if options.isForOwnUserOnly, UnixSocket.peerUser(accepted) != getuid() {
                    Glibc.close(accepted)
                    continue
                }
                state.accepted += 1
                let peer = PeerID(withUnsafeBytes(of: state.accepted) { Array($0) })
                var limits = MessageStream.Limits(waitingMessages: options.sendHighWaterMark)
                if let most = options.maximumMessageByteCount { limits.messageByteCount = most }
                if let interval = options.heartbeat { limits.heartbeats = .always(every: interval) }
                let stream = MessageStream(accepted, on: loop, limits: limits, among: owners)
                state.streams[state.accepted] = stream
                return (stream, peer, receiver)
            }
            return nil
        }
    }

    /// How long it waits when the system has nothing left for another connection.
    private static let pause: Duration = .milliseconds(50)

    private func turnAway(_ state: inout State) -> Bool {
        if state.spare < 0 { state.spare = Self.openSpare() }
        guard state.spare >= 0 else { return false }
        Glibc.close(state.spare)
        let accepted = try? UnixSocket.accept(descriptor)
        if let accepted { Glibc.close(accepted) }
        state.spare = Self.openSpare()
        return accepted != nil
    }

    private func handlers(for peer: PeerID, _ receiver: any ListenerReceiver) -> MessageStream.Handlers {
        MessageStream.Handlers(
            received: { receiver.listenerReceived($0, from: peer) },
            receivedTogether: { receiver.listenerReceivedTogether($0) },
            ended: { [listener = WeakReference(self)] _ in
                let stream = listener.object?.state.withLock { $0.streams.removeValue(forKey: Self.number(of: peer)) }
                if stream != nil { receiver.listenerLost(peer) }
            }
        )
    }

    /// The number that a link is named by; 0, which none is, for another transport's.
    private static func number(of peer: PeerID) -> UInt64 {
        peer.bytes.withUnsafeBytes { $0.count == 8 ? $0.loadUnaligned(as: UInt64.self) : 0 }
    }

    // MARK: Sending

    func send(_ message: [UInt8], to peer: PeerID) throws(TransportError) { try send(message, body: [], to: peer) }

    func send(_ head: [UInt8], body: [UInt8], to peer: PeerID) throws(TransportError) {
        let (stream, isClosed) = state.withLock { ($0.streams[Self.number(of: peer)], $0.phase == .closed) }
        if isClosed { throw TransportError(.closed, "\(endpoint) has been closed") }
        do throws(MessageStream.End) {
            try stream?.send(head, body: body)
        } catch {
            // The loop tells of its end.
        }
    }

    // MARK: The end

    func close() {
        let ended = state.withLock { state -> State? in
            guard state.phase != .closed else { return nil }
            defer { state = State(phase: .closed, spare: -1) }
            if state.phase == .listening { loop.unregister(self) }
            Glibc.close(descriptor)
            return state
        }
        guard let ended else { return }
        lock.release()
        if ended.spare >= 0 { Glibc.close(ended.spare) }
        for stream in ended.streams.values { stream.close() }
        owners.remove(ObjectIdentifier(self))
    }
}
