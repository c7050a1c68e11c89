// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Links between nodes of one process: an array of bytes changes hands, nothing else.
///
/// Transports made with the same ``InProcessNetwork`` reach each other; endpoints are `inproc://name`, and the name
/// `*` asks for a fresh one. Messages are delivered on a task of the receiving end, in order.
public final class InProcessTransport: Transport {
    private let network: InProcessNetwork
    private struct State {
        var links: [ObjectIdentifier: InProcessLink] = [:]
        var listeners: [ObjectIdentifier: InProcessListener] = [:]
        var isShutDown = false
    }
    private let state = Mutex(State())

    /// None: messages do not come from outside.
    public var taskExecutor: (any TaskExecutor)? { nil }

    /// Joins `network`.
    public init(network: InProcessNetwork = .shared) {
        self.network = network
    }

    /// See ``Transport/listen(at:options:)``; the options mean nothing inside a process.
    public func listen(at endpoint: Endpoint, options: ListenOptions) throws(TransportError) -> any TransportListener {
        try check(endpoint)
        let listener = try network.listen(at: endpoint)
        state.withLock { $0.listeners[ObjectIdentifier(listener)] = listener }
        return listener
    }

    /// See ``Transport/connect(to:options:receiver:)``; the options mean nothing inside a process.
    public func connect(
        to endpoint: Endpoint,
        options: ConnectOptions,
        receiver: any LinkReceiver
    ) throws(TransportError) -> any TransportLink {
        try check(endpoint)
        let link = InProcessLink(receiver: receiver) { [weak self] ended in
            self?.state.withLock { _ = $0.links.removeValue(forKey: ObjectIdentifier(ended)) }
        }
        // First, because it may end at once.
        try state.withLock { state throws(TransportError) in
            try check(state)
            state.links[ObjectIdentifier(link)] = link
        }
        if let listener = network.listener(at: endpoint) {
            listener.accept(link)
        } else {
            link.end(TransportError(.unreachable, "nobody listens at \(endpoint)"))
        }
        return link
    }

    /// How many links have been opened and have not ended.
    package var linkCount: Int { state.withLock { $0.links.count } }

    /// See ``Transport/shutdown()``.
    public func shutdown() async {
        let (links, listeners) = state.withLock { state in
            defer { state = State(isShutDown: true) }
            return (state.links.values, state.listeners.values)
        }
        for link in links { link.close() }
        for listener in listeners { listener.close() }
    }

    private func check(_ endpoint: Endpoint) throws(TransportError) {
        guard endpoint.scheme == .inproc else {
            throw TransportError(
                .invalidEndpoint,
                "the in-process transport cannot reach \(endpoint); use inproc://NAME"
            )
        }
        try state.withLock { state throws(TransportError) in try check(state) }
    }

    private func check(_ state: State) throws(TransportError) {
        if state.isShutDown { throw TransportError(.closed, "the transport has been shut down") }
    }
}

/// The names at which in-process listeners can be found.
public final class InProcessNetwork: Sendable {
    /// The network of everybody who does not ask for another.
    public static let shared = InProcessNetwork()

    private struct State {
        var listeners: [String: InProcessListener] = [:]
        var named = 0
    }
    private let state = Mutex(State())

    /// Makes a network of its own, for tests.
    public init() {}

    fileprivate func listen(at endpoint: Endpoint) throws(TransportError) -> InProcessListener {
        try state.withLock { state throws(TransportError) in
            var endpoint = endpoint
            if endpoint.address == "*" {
                state.named += 1
                endpoint = try Endpoint(.inproc, "node-\(state.named)")
            }
            guard state.listeners[endpoint.address] == nil else {
                throw TransportError(.addressInUse, "another node listens at \(endpoint); choose another name")
            }
            let listener = InProcessListener(endpoint: endpoint, network: self)
            state.listeners[endpoint.address] = listener
            return listener
        }
    }

    fileprivate func listener(at endpoint: Endpoint) -> InProcessListener? {
        state.withLock { $0.listeners[endpoint.address] }
    }

    /// Takes a listener's name away; another one may have it since.
    fileprivate func remove(_ listener: InProcessListener) {
        let name = listener.endpoint.address
        state.withLock { if $0.listeners[name] === listener { $0.listeners[name] = nil } }
    }
}

/// Tells a receiver what is put into it, one at a time and in order, on a task of its own.
private final class DeliveryQueue<Receiver: Sendable>: Sendable {
    private let (stream, events) = AsyncStream.makeStream(of: (@Sendable (Receiver) -> Void).self)

    func start(_ receiver: Receiver) {
        // What holds for the task that makes this does not for those that are delivered to.
        Task.detached { [stream] in for await event in stream { event(receiver) } }
    }

    func put(_ event: @escaping @Sendable (Receiver) -> Void) { events.yield(event) }
    func finish() { events.finish() }
}

private final class InProcessListener: TransportListener {
    let endpoint: Endpoint
    private let network: InProcessNetwork
    private let queue = DeliveryQueue<any ListenerReceiver>()
    private struct State {
        var links: [PeerID: InProcessLink] = [:]
        var accepted: UInt64 = 0
        var isClosed = false
    }
    private let state = Mutex(State())

    init(endpoint: Endpoint, network: InProcessNetwork) {
        self.endpoint = endpoint
        self.network = network
    }

    func start(_ receiver: any ListenerReceiver) { queue.start(receiver) }

    func accept(_ link: InProcessLink) {
        let peer = state.withLock { state -> PeerID? in
            guard !state.isClosed else { return nil }
            state.accepted += 1
            let peer = PeerID(withUnsafeBytes(of: state.accepted) { Array($0) })
            state.links[peer] = link
            return peer
        }
        guard let peer else { return link.end(TransportError(.unreachable, "nobody listens at \(endpoint)")) }
        link.attach(to: self, as: peer)
    }

    func send(_ message: [UInt8], to peer: PeerID) throws(TransportError) {
        state.withLock { $0.links[peer] }?.deliver(message)
    }

    func received(_ message: [UInt8], from peer: PeerID) {
        queue.put { $0.listenerReceived(message, from: peer) }
    }

    func lost(_ peer: PeerID) {
        guard state.withLock({ $0.links.removeValue(forKey: peer) }) != nil else { return }
        queue.put { $0.listenerLost(peer) }
    }

    func close() {
        let links = state.withLock { state in
            defer { state = State(accepted: state.accepted, isClosed: true) }
            return state.links.values
        }
        network.remove(self)
        for link in links { link.end(TransportError(.peerGone, "the node at \(endpoint) has gone")) }
        queue.finish()
    }
}

private final class InProcessLink: TransportLink {
    private let queue = DeliveryQueue<any LinkReceiver>()
    private struct State {
        var listener: InProcessListener?
        var peer = PeerID([])
        var isClosed = false
    }
    private let state = Mutex(State())

    private let onEnd: @Sendable (InProcessLink) -> Void

    /// - Parameters:
    ///   - receiver: who hears of what happens on this side.
    ///   - onEnd: called once, when it has ended.
    init(receiver: any LinkReceiver, onEnd: @escaping @Sendable (InProcessLink) -> Void) {
        self.onEnd = onEnd
        queue.start(receiver)
    }

    func attach(to listener: InProcessListener, as peer: PeerID) {
        state.withLock {
            $0.listener = listener
            $0.peer = peer
        }
    }

    func send(_ message: [UInt8]) throws(TransportError) {
        let (listener, peer) = state.withLock { ($0.listener, $0.peer) }
        listener?.received(message, from: peer)
    }

    func deliver(_ message: [UInt8]) {
        queue.put { $0.linkReceived(message) }
    }

    /// The other side ends the link.
    func end(_ error: TransportError) {
        guard detach() != nil else { return }
        queue.put { $0.linkClosed(error) }
        queue.finish()
    }

    /// This side ends the link.
    func close() {
        guard let ended = detach() else { return }
        queue.finish()
        ended.listener?.lost(ended.peer)
    }

    private func detach() -> State? {
        let ended = state.withLock { state -> State? in
            guard !state.isClosed else { return nil }
            defer { state = State(isClosed: true) }
            return state
        }
        if ended != nil { onEnd(self) }
        return ended
    }
}
