// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// A ZeroMQ socket, to be used from any task or thread.
///
/// Calls are made one at a time under a lock of the socket's own, on the caller's thread: nothing is handed over to
/// send, and nothing to receive what is there already. Only a task that has to wait is suspended; see ``SocketLoop``
/// for how it goes on without a hand-over of ours.
///
/// Unlike libzmq, a new socket has a linger time of zero: closing drops what has not been sent. Set
/// ``SocketOption/linger`` where the last messages matter.
public final class Socket: Sendable {
    let core: SocketCore

    init(_ core: SocketCore) {
        self.core = core
    }

    deinit {
        core.close()
    }

    /// The messaging pattern that the socket follows.
    public var kind: SocketKind {
        core.kind
    }

    /// The context that the socket belongs to.
    public var context: SocketContext {
        core.context
    }

    /// Closes the socket and ends all waits with ``ZeroMQError/Code/closed``.
    ///
    /// Further calls do nothing.
    ///
    /// Returns at once; messages that may linger are sent in the background.
    public func close() {
        core.close()
    }

    // MARK: Endpoints

    /// Accepts connections at an endpoint such as `tcp://127.0.0.1:*`, `ipc:///path` or `inproc://name`.
    ///
    /// Returns the endpoint as it came out, with the port chosen for `*`. An `ipc://` path that exists is taken over
    /// without a question, as libzmq does.
    ///
    /// - Throws: ``ZeroMQError`` with `.addressInUse`, `.permissionDenied`, `.pathTooLong`, `.invalidArgument`,
    ///   `.noSuchEndpoint` for a folder that is missing, or `.closed`.
    @discardableResult
    public func bind(to endpoint: String) throws(ZeroMQError) -> String {
        try checkPath(of: endpoint, while: "bind")
        var bound = endpoint
        let result = core.withHandle { handle in
            let result = errorNumber { zmq_bind(handle, endpoint) }
            if result == 0, let actual = lastEndpoint(of: handle) { bound = actual }
            return result
        }
        if result != 0 { throw ZeroMQError(result, while: "bind a \(kind) socket to \(endpoint)") }
        return bound
    }

    /// Connects to an endpoint, now or, but for `inproc://`, as soon as somebody binds it.
    ///
    /// Reconnects by itself. That nobody listens is not an error; ``monitor(_:)`` tells of it.
    public func connect(to endpoint: String) throws(ZeroMQError) {
        try checkPath(of: endpoint, while: "connect")
        let result = core.withHandle { handle in errorNumber { zmq_connect(handle, endpoint) } }
        if result != 0 { throw ZeroMQError(result, while: "connect a \(kind) socket to \(endpoint)") }
    }

    /// Accepts no more connections at an endpoint that ``bind(to:)`` has returned.
    public func unbind(from endpoint: String) throws(ZeroMQError) {
        let result = core.withHandle { handle in errorNumber { zmq_unbind(handle, endpoint) } }
        if result != 0 { throw ZeroMQError(result, while: "unbind a \(kind) socket from \(endpoint)") }
    }

    /// Ends the connection to an endpoint, with all messages still on their way to it.
    public func disconnect(from endpoint: String) throws(ZeroMQError) {
        let result = core.withHandle { handle in errorNumber { zmq_disconnect(handle, endpoint) } }
        if result != 0 { throw ZeroMQError(result, while: "disconnect a \(kind) socket from \(endpoint)") }
    }

    /// The endpoint last bound or connected, as it came out; nil when there is none.
    public var lastEndpoint: String? {
        var endpoint: String?
        _ = core.withHandle { handle in
            endpoint = lastEndpoint(of: handle)
            return 0
        }
        return endpoint
    }

    private func lastEndpoint(of handle: UnsafeMutableRawPointer) -> String? {
        var size = 1024
        var text = [UInt8](repeating: 0, count: size)
        let result = errorNumber { zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, &text, &size) }
        let length = max(0, size - 1)
        return result == 0 && length > 0 ? String(decoding: text.prefix(length), as: UTF8.self) : nil
    }

    /// A longer path would be refused by the operating system with less to go by.
    private func checkPath(of endpoint: String, while operation: StaticString) throws(ZeroMQError) {
        guard endpoint.hasPrefix("ipc://") else { return }
        let length = endpoint.utf8.count - "ipc://".utf8.count
        if length > 107 {
            throw ZeroMQError(ENAMETOOLONG, while: "\(operation) a \(kind) socket, \(endpoint) has \(length) bytes")
        }
    }
}
