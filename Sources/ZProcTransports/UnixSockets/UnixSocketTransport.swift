// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
public import ZProcCore
internal import ZeroMQ

/// Links between the processes of one machine over Unix domain sockets: `unix://path`.
///
/// Who sends writes into the socket that the other side reads from: a message wakes one thread there, and no other
/// thread has a part in it. There is no encryption; the system says which user is on the other side, and that it has died.
/// A process that stands still is told from one that is silent by heartbeats, where both sides have them. What has not been
/// read yet is bounded by the system, so that a receiver's high-water mark means nothing here.
///
/// Queues have no high-water mark but a listener's: each message is a call that somebody waits for, or an answer to one,
/// so that the callers bound them.
public final class UnixSocketTransport: Transport {
    private let threads: TransportThreads
    private let sockets = OpenSockets()
    private let isShutDown = Atomic(false)

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

    /// The threads of the transport's sockets.
    public var taskExecutor: (any TaskExecutor)? { try? threads.loop() }

    /// See ``Transport/listen(at:options:)``.
    ///
    /// A path somebody listens at is an error; one that was left behind is taken over.
    public func listen(at endpoint: Endpoint, options: ListenOptions) throws(TransportError) -> any TransportListener {
        try check(endpoint, isEncrypted: options.keys != nil)
        let loop = try threads.loop(), lock = try SocketFileLock(for: endpoint), descriptor = try makeSocket(endpoint)
        do throws(UnixSocket.Failure) {
            try UnixSocket.listen(descriptor, at: endpoint.address)
        } catch {
            close(descriptor)
            throw TransportError(error.code, "cannot listen at \(endpoint): \(error.text); choose another path")
        }
        let listener = UnixSocketListener(
            descriptor,
            endpoint: endpoint,
            lock: lock,
            options: options,
            on: loop,
            among: sockets
        )
        try checkIsOpen()
        return listener
    }

    /// See ``Transport/connect(to:options:receiver:)``.
    public func connect(
        to endpoint: Endpoint,
        options: ConnectOptions,
        receiver: any LinkReceiver
    ) throws(TransportError) -> any TransportLink {
        try check(endpoint, isEncrypted: options.keys != nil)
        let loop = try threads.loop(), descriptor = try makeSocket(endpoint)
        var limits = MessageStream.Limits()
        limits.heartbeats = options.heartbeat.map { .inReturn(every: $0) } ?? .onlyTaken
        let stream = MessageStream(descriptor, on: loop, limits: limits, among: sockets)
        let link = UnixSocketLink(stream, endpoint: endpoint, receiver: receiver)
        link.connect()
        // Otherwise it has been closed with the others.
        try checkIsOpen()
        return link
    }

    /// See ``Transport/shutdown()``.
    public func shutdown() async {
        guard !isShutDown.exchange(true, ordering: .relaxed) else { return }
        await sockets.closeAll()
        threads.leave()
    }

    private func makeSocket(_ endpoint: Endpoint) throws(TransportError) -> Int32 {
        do throws(UnixSocket.Failure) {
            return try UnixSocket.make()
        } catch {
            throw TransportError(error.code, "\(endpoint): \(error.text)")
        }
    }

    private func check(_ endpoint: Endpoint, isEncrypted: Bool) throws(TransportError) {
        guard endpoint.scheme == .unix else {
            throw TransportError(.invalidEndpoint, "a Unix domain socket cannot reach \(endpoint); use unix://PATH")
        }
        if isEncrypted {
            throw TransportError(.invalidEndpoint, "\(endpoint) has no encryption; use ipc:// or tcp:// with keys")
        }
        try checkIsOpen()
    }

    private func checkIsOpen() throws(TransportError) {
        // Set before any socket is closed because of it.
        if isShutDown.load(ordering: .relaxed) {
            throw TransportError(.closed, "the transport has been shut down")
        }
    }
}

extension UnixSocketTransport: WorkingTransport {
    package var workThreads: (any TransportExecutor)? { try? threads.loop() }
}
