// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// How messages get from node to node.
///
/// A message is a non-empty array of bytes.
///
/// A transport moves messages and knows nothing of their content. Between one caller and one listener, messages
/// arrive whole, once and in order, until the link ends; when it ends, both ends learn of it as soon as the system
/// tells. Events are delivered on the transport's own thread, one at a time for each link: receivers return quickly
/// and never block.
public protocol Transport: Sendable {
    /// The executor whose threads also wait for messages, if there is one: a task that runs there and waits for a
    /// message goes on on the thread that receives it.
    var taskExecutor: (any TaskExecutor)? { get }

    /// Accepts links at `endpoint`; what comes in by them waits until the listener is started.
    ///
    /// - Returns: the listener, which knows the endpoint others can connect to (with the port chosen for `*`).
    func listen(at endpoint: Endpoint, options: ListenOptions) throws(TransportError) -> any TransportListener

    /// Opens a link to whoever listens at `endpoint`. Returns at once; messages sent before the link is up wait for
    /// it. If nobody listens, the receiver learns ``TransportError/Code/unreachable``.
    func connect(
        to endpoint: Endpoint,
        options: ConnectOptions,
        receiver: any LinkReceiver
    ) throws(TransportError) -> any TransportLink

    /// Ends all links and listeners, and gives up threads and descriptors. Messages sent before are delivered when the
    /// peer is alive, but for what ``TransportLink/close()`` says of TCP. Safe to call twice.
    func shutdown() async
}

extension Transport {
    /// Accepts links at `endpoint` from everybody.
    public func listen(at endpoint: Endpoint) throws(TransportError) -> any TransportListener {
        try listen(at: endpoint, options: ListenOptions())
    }

    /// Opens a link without encryption to whoever listens at `endpoint`.
    public func connect(to endpoint: Endpoint, receiver: any LinkReceiver) throws(TransportError) -> any TransportLink {
        try connect(to: endpoint, options: ConnectOptions(), receiver: receiver)
    }
}

/// One end of a link, as the side that opened it sees it.
public protocol TransportLink: AnyObject, Sendable {
    /// Sends a message, without waiting for it to leave. Safe from any thread; order is that of the calls.
    func send(_ message: [UInt8]) throws(TransportError)
    /// Sends one message, which arrives as one, from two parts, of which the second may be large: transports that need
    /// not put them together do not copy it.
    func send(_ head: [UInt8], body: [UInt8]) throws(TransportError)
    /// Ends the link. Its receiver hears nothing more.
    ///
    /// What has been sent before leaves first, for up to a second. Over TCP it may be lost all the same, when something
    /// has come that has not been read: the system resets such a connection. The other side learns that the link has
    /// ended, however much has arrived.
    func close()
}

extension TransportLink {
    /// Puts the parts together and sends them.
    public func send(_ head: [UInt8], body: [UInt8]) throws(TransportError) {
        try send(body.isEmpty ? head : head + body)
    }
}

/// A place where links are accepted.
public protocol TransportListener: AnyObject, Sendable {
    /// What others connect to.
    var endpoint: Endpoint { get }
    /// Delivers from now on what comes in, and what has come in already; called once.
    ///
    /// A step of its own, because others may know the endpoint and wait for it: what they send must not arrive before
    /// the receiver can answer.
    func start(_ receiver: any ListenerReceiver) throws(TransportError)
    /// Sends a message back over the link it names. A peer that is gone is no error: nobody waits for the message.
    func send(_ message: [UInt8], to peer: PeerID) throws(TransportError)
    /// Sends one message, which arrives as one, from two parts, of which the second may be large: transports that need
    /// not put them together do not copy it.
    func send(_ head: [UInt8], body: [UInt8], to peer: PeerID) throws(TransportError)
    /// Stops listening and ends all links.
    func close()
}

extension TransportListener {
    /// Puts the parts together and sends them.
    public func send(_ head: [UInt8], body: [UInt8], to peer: PeerID) throws(TransportError) {
        try send(body.isEmpty ? head : head + body, to: peer)
    }
}

/// Which link of a listener a message came in by.
///
/// Means something to that listener only.
public struct PeerID: Hashable, Sendable {
    /// The transport's own name for the link.
    public let bytes: [UInt8]
    /// The key that the peer has proved to have; nil without encryption.
    public let key: PublicKey?
    /// Whether it takes a ``Bundle``; known of the peer that a hello in one came from, to which answers go.
    package let takesBundles: Bool

    /// Names a link; for implementations of ``Transport``.
    public init(_ bytes: [UInt8], key: PublicKey? = nil) { self.init(bytes, key: key, takesBundles: false) }

    package init(_ bytes: [UInt8], key: PublicKey?, takesBundles: Bool) {
        self.bytes = bytes
        self.key = key
        self.takesBundles = takesBundles
    }

    /// Whether both are the same link.
    public static func == (left: PeerID, right: PeerID) -> Bool { left.bytes == right.bytes }

    /// Hashes the link's name.
    public func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
}

/// Hears what happens on a link that this side opened.
public protocol LinkReceiver: AnyObject, Sendable {
    /// A message came in.
    func linkReceived(_ message: [UInt8])
    /// The link has ended, or could not be opened. The last event.
    func linkClosed(_ error: TransportError)
}

/// Hears what happens at a listener.
public protocol ListenerReceiver: AnyObject, Sendable {
    /// A message came in over the link `peer`.
    func listenerReceived(_ message: [UInt8], from peer: PeerID)
    /// Several messages came in at once: `deliver` calls ``listenerReceived(_:from:)`` for each, on this thread.
    ///
    /// What they ask for may be done together. A transport need not tell.
    func listenerReceivedTogether(_ deliver: () -> Void)
    /// The link has ended. Not every transport can tell; nothing may depend on it but clean-up.
    func listenerLost(_ peer: PeerID)
    /// Some link has ended, and the transport cannot tell which: a message to that peer will find it gone.
    func listenerLostSomebody()
}

extension ListenerReceiver {
    /// Calls `deliver`.
    public func listenerReceivedTogether(_ deliver: () -> Void) { deliver() }
    /// Does nothing.
    public func listenerLostSomebody() {}
}
