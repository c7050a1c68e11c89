// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Synchronization

/// A group of sockets with their own I/O threads and the loop that waits for them.
///
/// Sockets of one context reach each other by `inproc://` endpoints. Opening a context starts libzmq's threads and one
/// for the loop. A context must not be used in a forked child.
///
/// A context goes with its last socket and reference; ``shutdown()`` closes everything at a time of your choice.
public final class SocketContext: Sendable {
    private struct State {
        var sockets: [UInt64: SocketCore] = [:]
        var isShutDown = false
    }

    /// The thread that waits for the sockets, for tasks and actors to run on.
    public let loop: SocketLoop

    /// Thread-safe by libzmq's promise; valid until the context has been terminated.
    nonisolated(unsafe) let handle: UnsafeMutableRawPointer
    private let state = Mutex(State())

    /// Opens a context.
    ///
    /// - Parameters:
    ///   - ioThreads: How many threads of libzmq serve connections; one is enough for about a gigabyte per second.
    ///   - maxSockets: How many sockets may be open at a time.
    ///   - jobThreads: How many jobs the ``loop`` runs at once at most, besides waiting for the sockets. 0 means that one
    ///     thread does both.
    /// - Throws: ``ZeroMQError/Code/tooManySockets`` when the process has no descriptors left.
    public convenience init(ioThreads: Int = 1, maxSockets: Int = 1023, jobThreads: Int = 0) throws(ZeroMQError) {
        try self.init(
            ioThreads: ioThreads,
            maxSockets: maxSockets,
            loop: SocketLoop(jobThreads: max(0, jobThreads))
        )
    }

    /// Opens a context whose sockets a loop waits for that has others to wait for besides.
    package init(ioThreads: Int = 1, maxSockets: Int = 1023, loop: SocketLoop) throws(ZeroMQError) {
        self.loop = loop
        guard let handle = zmq_ctx_new() else { throw ZeroMQError(zmq_errno(), while: "open a context") }
        self.handle = handle
        try set(ZMQ_IO_THREADS, to: ioThreads, named: "ioThreads")
        try set(ZMQ_MAX_SOCKETS, to: maxSockets, named: "maxSockets")
        // The loop's sockets never block, so neither may the closing of those nobody has set linger for.
        zmq_ctx_set(handle, ZMQ_BLOCKY, 0)
    }

    deinit {
        if !state.withLock({ $0.isShutDown }) { Self.terminate(handle, then: nil) }
    }

    /// Opens a socket.
    ///
    /// - Throws: ``ZeroMQError/Code/closed`` after ``shutdown()``, ``ZeroMQError/Code/tooManySockets`` at the limit.
    public func makeSocket(_ kind: SocketKind) throws(ZeroMQError) -> Socket {
        // Under the lock, so that no socket is opened in a context that is being terminated.
        let core = try state.withLock { state throws(ZeroMQError) -> SocketCore in
            if state.isShutDown { throw ZeroMQError(ETERM, while: "open a \(kind) socket") }
            let core = try SocketCore(context: self, kind: kind, key: loop.makeKey())
            state.sockets[core.key] = core
            return core
        }
        return Socket(core)
    }

    /// Closes all sockets, ends every wait with ``ZeroMQError/Code/closed``, and frees libzmq's threads.
    ///
    /// Returns when messages that sockets with a linger time still hold have been sent or given up. The waiting is done
    /// on a thread of its own. Later calls return at once.
    public func shutdown() async {
        let cores = state.withLock { state -> [SocketCore]? in
            if state.isShutDown { return nil }
            state.isShutDown = true
            return Array(state.sockets.values)
        }
        guard let cores else { return }
        // Monitored ones first, those that read their events after them.
        for core in cores where core.isMonitored { core.close() }
        for core in cores { core.close() }
        await withUnsafeContinuation { Self.terminate(handle, then: $0) }
    }

    func forget(_ socket: SocketCore) {
        state.withLock { $0.sockets[socket.key] = nil }
    }

    private func set(_ option: Int32, to value: Int, named name: StaticString) throws(ZeroMQError) {
        let result = errorNumber { zmq_ctx_set(handle, option, Int32(clamping: value)) }
        if result != 0 { throw ZeroMQError(result, while: "set \(name) of a context to \(value)") }
    }

    /// Terminates a context, which may wait for its sockets to linger, on a thread made for that.
    private static func terminate(_ handle: UnsafeMutableRawPointer, then done: UnsafeContinuation<Void, Never>?) {
        // Nobody else uses it any more.
        nonisolated(unsafe) let handle = handle
        let terminate = { @Sendable in
            _ = errorNumber { zmq_ctx_term(handle) }
            done?.resume()
        }
        // Without a thread to spare, waiting here is all that is left.
        if startDetachedThread(terminate) != 0 { terminate() }
    }
}
