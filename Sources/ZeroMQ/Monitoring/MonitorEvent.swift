// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// Something that happened to a connection of a monitored socket.
public struct MonitorEvent: Hashable, Sendable {
    /// What can happen to a connection.
    public enum Kind: CaseIterable, Hashable, Sendable {
        /// A connection stands; the handshake follows.
        case connected
        /// Connecting could not be done at once and goes on.
        case connectDelayed
        /// Connecting is tried again after ``MonitorEvent/value`` milliseconds.
        case connectRetried
        /// The socket listens at the endpoint.
        case listening
        /// The socket could not listen.
        case bindFailed
        /// A peer's connection has been accepted; the handshake follows.
        case accepted
        /// A peer's connection could not be accepted.
        case acceptFailed
        /// A connection or listener has been closed by this side.
        case closed
        /// A connection or listener could not be closed.
        case closeFailed
        /// The connection has gone: the peer has closed it, or died.
        case disconnected
        /// The monitored socket has been closed; no event follows.
        case monitorStopped
        /// Both sides know each other and messages may flow.
        case handshakeSucceeded
        /// The handshake ended with an error of the operating system.
        case handshakeFailedNoDetail
        /// The peer does not keep to the protocol or uses another mechanism.
        case handshakeFailedProtocol
        /// The peer has been refused.
        case handshakeFailedAuthentication

        init?(rawEvent: Int32) {
            guard let kind = Self.allCases.first(where: { $0.rawEvent == rawEvent }) else { return nil }
            self = kind
        }

        var rawEvent: Int32 {
            switch self {
            case .connected: ZMQ_EVENT_CONNECTED
            case .connectDelayed: ZMQ_EVENT_CONNECT_DELAYED
            case .connectRetried: ZMQ_EVENT_CONNECT_RETRIED
            case .listening: ZMQ_EVENT_LISTENING
            case .bindFailed: ZMQ_EVENT_BIND_FAILED
            case .accepted: ZMQ_EVENT_ACCEPTED
            case .acceptFailed: ZMQ_EVENT_ACCEPT_FAILED
            case .closed: ZMQ_EVENT_CLOSED
            case .closeFailed: ZMQ_EVENT_CLOSE_FAILED
            case .disconnected: ZMQ_EVENT_DISCONNECTED
            case .monitorStopped: ZMQ_EVENT_MONITOR_STOPPED
            case .handshakeSucceeded: ZMQ_EVENT_HANDSHAKE_SUCCEEDED
            case .handshakeFailedNoDetail: ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
            case .handshakeFailedProtocol: ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
            case .handshakeFailedAuthentication: ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
            }
        }
    }

    /// What happened.
    public let kind: Kind
    /// The endpoint it happened at; may be empty.
    public let endpoint: String
    /// A descriptor, error number, delay or status code, depending on the kind; see zmq_socket_monitor(3).
    public let value: Int

    /// Makes an event.
    public init(kind: Kind, endpoint: String, value: Int) {
        self.kind = kind
        self.endpoint = endpoint
        self.value = value
    }

    /// Reads the two frames that libzmq sends; nil for an event of a later version.
    init?(_ message: borrowing Multipart) {
        guard message.count == 2, message.byteCount(at: 0) == 6 else { return nil }
        let (event, value) = message.withUnsafeBytes(at: 0) { bytes in
            (bytes.loadUnaligned(as: UInt16.self), bytes.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
        }
        guard let kind = Kind(rawEvent: Int32(event)) else { return nil }
        self.init(kind: kind, endpoint: String(decoding: message[1], as: UTF8.self), value: Int(value))
    }
}
