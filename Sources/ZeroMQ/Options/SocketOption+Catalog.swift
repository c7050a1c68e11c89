// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

// MARK: Queues and messages

extension SocketOption where Value == Int {
    /// How many messages may wait for each peer before the socket counts as full; 0 means without bound.
    public static var sendHighWaterMark: Self { .integer(ZMQ_SNDHWM, "sendHighWaterMark") }
    /// How many messages of each peer may wait to be received; 0 means without bound.
    public static var receiveHighWaterMark: Self { .integer(ZMQ_RCVHWM, "receiveHighWaterMark") }
    /// The largest frame in bytes; a peer that sends a larger one is cut off.
    ///
    /// -1 means without bound.
    public static var maxMessageSize: Self { .longInteger(ZMQ_MAXMSGSIZE, "maxMessageSize") }
    /// How many connections may wait to be accepted.
    public static var backlog: Self { .integer(ZMQ_BACKLOG, "backlog") }
    /// Accept only processes of this user at `ipc://` endpoints, by what the system says of them.
    ///
    /// Root is no exception.
    public static var ipcFilterUser: Self { .integer(ZMQ_IPC_FILTER_UID, "ipcFilterUser") }
    /// The kernel's buffer for sending in bytes; -1 leaves it to the operating system.
    public static var sendBuffer: Self { .integer(ZMQ_SNDBUF, "sendBuffer") }
    /// The kernel's buffer for receiving in bytes; -1 leaves it to the operating system.
    public static var receiveBuffer: Self { .integer(ZMQ_RCVBUF, "receiveBuffer") }
    /// How many TCP keep-alives may go unanswered; -1 leaves it to the operating system.
    public static var tcpKeepaliveCount: Self { .integer(ZMQ_TCP_KEEPALIVE_CNT, "tcpKeepaliveCount") }
}

extension SocketOption where Value == Bool {
    /// Keep only the newest message.
    ///
    /// Not for multipart messages.
    public static var conflate: Self { .flag(ZMQ_CONFLATE, "conflate") }
    /// Queue messages only for connections that stand, so that none is lost in one that never does.
    public static var immediate: Self { .flag(ZMQ_IMMEDIATE, "immediate") }
    /// Accept and make IPv6 connections too.
    public static var ipv6: Self { .flag(ZMQ_IPV6, "ipv6") }
}

// MARK: Routing

extension SocketOption where Value == [UInt8] {
    /// The name, of 1 to 255 bytes not beginning with zero, that routers know this socket by.
    public static var routingID: Self { .bytes(ZMQ_ROUTING_ID, "routingID") }
    /// The name that this router gives to the peer it connects to next.
    public static var connectRoutingID: Self { .bytes(ZMQ_CONNECT_ROUTING_ID, "connectRoutingID") }
    /// What an xpub sends to each new subscriber.
    public static var welcomeMessage: Self { .bytes(ZMQ_XPUB_WELCOME_MSG, "welcomeMessage") }
    static var subscription: Self { .bytes(ZMQ_SUBSCRIBE, "subscription") }
    static var unsubscription: Self { .bytes(ZMQ_UNSUBSCRIBE, "unsubscription") }
}

extension SocketOption where Value == Bool {
    /// A router throws ``ZeroMQError/Code/unreachable`` for an unknown peer, and waits for a full one.
    ///
    /// Otherwise it drops the message. Can only be set.
    public static var routerMandatory: Self { .flag(ZMQ_ROUTER_MANDATORY, "routerMandatory") }
    /// A peer takes over the routing id of an earlier one; otherwise it is turned away.
    ///
    /// Can only be set.
    public static var routerHandover: Self { .flag(ZMQ_ROUTER_HANDOVER, "routerHandover") }
    /// Send an empty message on each new connection, so that a router knows this socket.
    ///
    /// Can only be set.
    public static var probeRouter: Self { .flag(ZMQ_PROBE_ROUTER, "probeRouter") }
    /// A request may be followed by another without waiting for the reply.
    ///
    /// Can only be set.
    public static var requestRelaxed: Self { .flag(ZMQ_REQ_RELAXED, "requestRelaxed") }
    /// Replies are matched to their requests by number.
    ///
    /// Can only be set.
    public static var requestCorrelate: Self { .flag(ZMQ_REQ_CORRELATE, "requestCorrelate") }
    /// An xpub hears of every subscription, not only of the first to each prefix.
    ///
    /// Can only be set.
    public static var xpubVerbose: Self { .flag(ZMQ_XPUB_VERBOSE, "xpubVerbose") }
    /// An xpub hears of every subscription and every end of one.
    ///
    /// Can only be set.
    public static var xpubVerboser: Self { .flag(ZMQ_XPUB_VERBOSER, "xpubVerboser") }
    /// A publisher waits for full subscribers instead of dropping messages.
    ///
    /// Can only be set.
    public static var xpubNoDrop: Self { .flag(ZMQ_XPUB_NODROP, "xpubNoDrop") }
    /// Subscribe to what does not match.
    public static var invertMatching: Self { .flag(ZMQ_INVERT_MATCHING, "invertMatching") }
    /// A stream socket tells of connections and disconnections by empty messages.
    public static var streamNotify: Self { .flag(ZMQ_STREAM_NOTIFY, "streamNotify") }
}

// MARK: Connections

extension SocketOption where Value == Duration? {
    /// How long closing goes on sending; nil means for ever.
    ///
    /// Zero unless set, unlike libzmq's own default.
    public static var linger: Self { .optionalDuration(ZMQ_LINGER, "linger") }
    /// The first delay before connecting again; nil means that a lost connection stays lost.
    public static var reconnectInterval: Self { .optionalDuration(ZMQ_RECONNECT_IVL, "reconnectInterval") }
    /// The time without traffic before TCP keep-alives, in whole seconds; nil leaves it to the operating system.
    public static var tcpKeepaliveIdle: Self {
        .optionalDuration(ZMQ_TCP_KEEPALIVE_IDLE, "tcpKeepaliveIdle", unit: .seconds(1))
    }
    /// The time between TCP keep-alives, in whole seconds; nil leaves it to the operating system.
    public static var tcpKeepaliveInterval: Self {
        .optionalDuration(ZMQ_TCP_KEEPALIVE_INTVL, "tcpKeepaliveInterval", unit: .seconds(1))
    }
    /// How long a silent peer has before the connection ends; nil means that ``heartbeatInterval`` decides.
    public static var heartbeatTimeout: Self { .optionalDuration(ZMQ_HEARTBEAT_TIMEOUT, "heartbeatTimeout") }
}

extension SocketOption where Value == Duration {
    /// The time between heartbeats to each peer; zero sends none.
    public static var heartbeatInterval: Self { .duration(ZMQ_HEARTBEAT_IVL, "heartbeatInterval") }
    /// How long the peer may wait for our heartbeat before it gives us up, in steps of 100 ms.
    public static var heartbeatTimeToLive: Self { .duration(ZMQ_HEARTBEAT_TTL, "heartbeatTimeToLive") }
    /// What the delays between attempts to connect grow to; zero keeps them equal.
    public static var maxReconnectInterval: Self { .duration(ZMQ_RECONNECT_IVL_MAX, "maxReconnectInterval") }
    /// How long a connection may take until both sides know each other.
    public static var handshakeInterval: Self { .duration(ZMQ_HANDSHAKE_IVL, "handshakeInterval") }
    /// How long one attempt to connect may take; zero leaves it to the operating system.
    public static var connectTimeout: Self { .duration(ZMQ_CONNECT_TIMEOUT, "connectTimeout") }
}

extension SocketOption where Value == Bool? {
    /// Whether TCP looks for dead peers; nil leaves it to the operating system.
    public static var tcpKeepalive: Self { .optionalFlag(ZMQ_TCP_KEEPALIVE, "tcpKeepalive") }
}

// MARK: Security

extension SocketOption where Value == Bool {
    /// Accept peers that encrypt with CURVE and know this socket's public key.
    public static var curveServer: Self { .flag(ZMQ_CURVE_SERVER, "curveServer") }
    /// Accept peers that give a user name and a password, unencrypted.
    public static var plainServer: Self { .flag(ZMQ_PLAIN_SERVER, "plainServer") }
}

extension SocketOption where Value == CurveKey {
    /// This socket's own public key.
    public static var curvePublicKey: Self { .key(ZMQ_CURVE_PUBLICKEY, "curvePublicKey") }
    /// This socket's own secret key.
    public static var curveSecretKey: Self { .key(ZMQ_CURVE_SECRETKEY, "curveSecretKey") }
    /// The public key of the server that a client connects to.
    public static var curveServerKey: Self { .key(ZMQ_CURVE_SERVERKEY, "curveServerKey") }
}

extension SocketOption where Value == String {
    /// The domain that the authenticator is asked about; empty asks none.
    public static var zapDomain: Self { .string(ZMQ_ZAP_DOMAIN, "zapDomain") }
    /// The user name that a client gives.
    public static var plainUsername: Self { .string(ZMQ_PLAIN_USERNAME, "plainUsername") }
    /// The password that a client gives.
    public static var plainPassword: Self { .string(ZMQ_PLAIN_PASSWORD, "plainPassword") }
}
