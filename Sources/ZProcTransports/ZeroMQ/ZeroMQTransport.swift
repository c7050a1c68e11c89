// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
public import ZProcCore
internal import ZeroMQ

/// Links between processes and machines over ZeroMQ: `ipc://` and `tcp://`.
///
/// A link is a DEALER socket of its own, so that its end shows at once; a listener is a ROUTER socket. Messages are
/// sent on the caller's thread. They are received, and receivers called, on the one thread of the transport's sockets,
/// which libzmq wakes itself: nothing is handed over in between.
///
/// Queues have no high-water mark: each message is a call that somebody waits for, or an answer to one, so that the
/// callers bound them.
public final class ZeroMQTransport: Transport {
    private struct State {
        var context: SocketContext?
        var isShutDown = false
    }
    /// The libzmq context and its threads come with the first use: a context that spawns nothing needs none.
    private let state = Mutex(State())
    private let sockets = OpenSockets()
    /// Who may connect, where keys are asked for.
    private let authenticator = Authenticator()

    private let threads: TransportThreads

    /// Makes a transport; nothing is opened yet.
    ///
    /// - Parameter threadCount: how many tasks its ``taskExecutor`` runs at once; nil for as many as there are
    ///   processors.
    public convenience init(threadCount: Int? = nil) { self.init(threads: TransportThreads(count: threadCount)) }

    /// Makes a transport that shares its threads with others.
    package init(threads: TransportThreads) {
        self.threads = threads
        threads.enter()
    }

    /// See ``Transport/listen(at:options:)``.
    ///
    /// An `ipc://` path somebody listens at is an error; one that was left behind is taken over.
    public func listen(at endpoint: Endpoint, options: ListenOptions) throws(TransportError) -> any TransportListener {
        let lock = endpoint.scheme == .ipc ? try SocketFileLock(for: endpoint) : nil
        let context = try context(for: endpoint)
        return try wrapped(endpoint) { () throws(ZeroMQError) in
            let socket = try context.makeSocket(.router)
            try socket.set(.routerMandatory, to: true)
            try socket.set(.sendHighWaterMark, to: options.sendHighWaterMark ?? 0)
            try socket.set(.receiveHighWaterMark, to: options.receiveHighWaterMark ?? 0)
            if let byteCount = options.maximumMessageByteCount { try socket.set(.maxMessageSize, to: byteCount) }
            if options.isForOwnUserOnly, endpoint.scheme == .ipc { try socket.set(.ipcFilterUser, to: Int(getuid())) }
            try socket.findDeadPeers(within: options.heartbeat)
            if let keys = options.keys {
                let domain = try authenticator.add(options.admits, in: context)
                try socket.set(.zapDomain, to: domain)
                try socket.useCurve(asServerWith: CurveKeyPair(keys))
            }
            try socket.set(.linger, to: .seconds(1))
            let bound = try socket.bind(to: endpoint.description)
            return ZeroMQListener(
                socket,
                endpoint: (try? Endpoint(bound)) ?? endpoint,
                lock: lock,
                isEncrypted: options.keys != nil,
                // Those who come from elsewhere go unnoticed otherwise.
                isMonitored: options.heartbeat != nil,
                among: sockets
            )
        }
    }

    /// See ``Transport/connect(to:options:receiver:)``.
    public func connect(
        to endpoint: Endpoint,
        options: ConnectOptions,
        receiver: any LinkReceiver
    ) throws(TransportError) -> any TransportLink {
        let context = try context(for: endpoint)
        return try wrapped(endpoint) { () throws(ZeroMQError) in
            let socket = try context.makeSocket(.dealer)
            try socket.set(.sendHighWaterMark, to: 0)
            try socket.set(.receiveHighWaterMark, to: 0)
            try socket.set(.linger, to: .seconds(1))
            // A node that comes back is another node: the link ends with this one. Without any interval libzmq would
            // drop what has come and is not yet received.
            try socket.set(.reconnectInterval, to: .seconds(3_600))
            try socket.setHeartbeat(options.heartbeat)
            if options.heartbeat != nil { try socket.set(.handshakeInterval, to: .seconds(5)) }
            if let keys = options.keys {
                try socket.useCurve(with: CurveKeyPair(keys.own), server: CurveKey(keys.server))
            }
            let link = ZeroMQLink(socket, endpoint: endpoint, receiver: receiver, among: sockets)
            do throws(ZeroMQError) {
                try link.connect()
            } catch {
                link.close()
                throw error
            }
            return link
        }
    }

    /// See ``Transport/shutdown()``.
    public func shutdown() async {
        let (context, isFirst) = state.withLock { state in
            defer { state = State(isShutDown: true) }
            return (state.context, !state.isShutDown)
        }
        guard isFirst else { return }
        await sockets.closeAll()
        await context?.shutdown()
        threads.leave()
    }

    /// The threads of the transport's sockets.
    public var taskExecutor: (any TaskExecutor)? { try? threads.loop() }

    private func context(for endpoint: Endpoint) throws(TransportError) -> SocketContext {
        guard endpoint.scheme == .ipc || endpoint.scheme == .tcp else {
            throw TransportError(.invalidEndpoint, "ZeroMQ cannot reach \(endpoint); use ipc://PATH or tcp://HOST:PORT")
        }
        return try state.withLock { state throws(TransportError) in
            if let context = state.context { return context }
            if state.isShutDown { throw TransportError(.closed, "the transport has been shut down") }
            let loop = try threads.loop()
            let context = try wrapped(endpoint) { () throws(ZeroMQError) in
                try SocketContext(maxSockets: 16_000, loop: loop)
            }
            state.context = context
            return context
        }
    }
}

extension Socket {
    /// Has dead peers found by TCP, and by the heartbeats that they themselves send and promise.
    ///
    /// Not by ZeroMQ's own of this side: libzmq (4.3.4) aborts the program when such a heartbeat is due while a peer that has
    /// gone still has messages beyond the high-water mark (its issues 4364 and 4767).
    fileprivate func findDeadPeers(within interval: Duration?) throws(ZeroMQError) {
        guard let interval else { return }
        try set(.tcpKeepalive, to: true)
        try set(.tcpKeepaliveIdle, to: interval)
        try set(.tcpKeepaliveInterval, to: interval)
        try set(.tcpKeepaliveCount, to: 3)
    }

    /// Asks a silent peer whether it lives, and has it do the same; for sockets that take in whatever comes.
    fileprivate func setHeartbeat(_ interval: Duration?) throws(ZeroMQError) {
        guard let interval else { return }
        try set(.heartbeatInterval, to: interval)
        try set(.heartbeatTimeout, to: interval * 3)
        try set(.heartbeatTimeToLive, to: interval * 3)
    }
}

extension CurveKey {
    fileprivate init(_ key: PublicKey) {
        guard let same = CurveKey(bytes: key.bytes) else { preconditionFailure("a public key has 32 bytes") }
        self = same
    }
}

extension CurveKeyPair {
    fileprivate init(_ keys: KeyPair) {
        guard let secret = CurveKey(bytes: keys.secretBytes) else { preconditionFailure("a secret key has 32 bytes") }
        self.init(publicKey: CurveKey(keys.publicKey), secretKey: secret)
    }
}

extension KeyPair {
    /// Makes a new pair from the system's random numbers.
    ///
    /// - Throws: ``TransportError/Code/resources`` when the system's libzmq has no encryption.
    package static func fromSystemRandomNumbers() throws(TransportError) -> KeyPair {
        do throws(ZeroMQError) {
            let keys = try CurveKeyPair.generate()
            guard let publicKey = PublicKey(bytes: keys.publicKey.bytes),
                let pair = KeyPair(publicKey: publicKey, secretBytes: keys.secretKey.bytes)
            else { preconditionFailure("a CURVE key has 32 bytes") }
            return pair
        } catch {
            throw TransportError(.resources, "keys cannot be made: \(error.message)")
        }
    }
}

/// Runs calls of the library below; its errors become the transport's.
func wrapped<Result>(
    _ endpoint: Endpoint,
    _ body: () throws(ZeroMQError) -> Result
) throws(TransportError) -> Result {
    do throws(ZeroMQError) {
        return try body()
    } catch {
        let code: TransportError.Code =
            switch error.code {
            case .addressInUse: .addressInUse
            case .permissionDenied: .permissionDenied
            case .unreachable: .peerGone
            case .closed: .closed
            case .tooManySockets: .resources
            default: .invalidEndpoint
            }
        throw TransportError(code, "\(endpoint): \(error.message)")
    }
}

extension ZeroMQTransport: WorkingTransport {
    package var workThreads: (any TransportExecutor)? { try? threads.loop() }
}
