// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// The events of a socket's connections, in order, from the call of ``Socket/monitor(_:)`` on.
///
/// Ends when the monitored socket is closed, when ``stop()`` is called, or when the waiting task is cancelled. For one
/// reader at a time. Events that nobody reads are kept without bound, since libzmq's I/O thread would have to wait
/// otherwise: read them, or let the sequence go, which ends the monitoring.
public final class MonitorEvents: AsyncSequence, Sendable {
    /// The events.
    public typealias Element = MonitorEvent
    /// Reading never fails.
    public typealias Failure = Never

    private let socket: Socket
    private let monitored: SocketCore

    init(of monitored: SocketCore, kinds: [MonitorEvent.Kind]) throws(ZeroMQError) {
        self.monitored = monitored
        socket = try monitored.context.makeSocket(.pair)
        // With a bound on this side, a full queue would stop the I/O thread and all connections with it.
        try socket.set(.receiveHighWaterMark, to: 0)
        let endpoint = "inproc://zeromq.monitor.\(socket.core.key)"
        let mask = kinds.reduce(ZMQ_EVENT_MONITOR_STOPPED) { $0 | $1.rawEvent }
        let result = monitored.startMonitor(socket.core.key, endpoint: endpoint, mask: mask)
        if result != 0 { throw ZeroMQError(result, while: "monitor a \(monitored.kind) socket") }
        try socket.connect(to: endpoint)
    }

    deinit {
        stop()
    }

    /// Ends the monitoring and the sequence.
    public func stop() {
        if socket.core.isClosed { return }
        monitored.stopMonitor(socket.core.key)
        socket.close()
    }

    /// Waits for the next event; nil when no more will come or the task is cancelled.
    public func next() async -> MonitorEvent? {
        while true {
            do throws(ZeroMQError) {
                let message = try await socket.receiveMultipart()
                guard let event = MonitorEvent(message) else { continue }
                if event.kind == .monitorStopped { socket.close() }
                return event
            } catch {
                return nil
            }
        }
    }

    /// Makes an iterator; all iterators share the events among them.
    public func makeAsyncIterator() -> Iterator {
        Iterator(events: self)
    }

    /// Reads the events one by one.
    public struct Iterator: AsyncIteratorProtocol {
        let events: MonitorEvents

        /// Waits for the next event; nil when no more will come or the task is cancelled.
        public mutating func next() async -> MonitorEvent? {
            await events.next()
        }

        /// Waits for the next event; nil when no more will come or the task is cancelled.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> MonitorEvent? {
            await events.next()
        }
    }
}

extension Socket {
    /// Watches the socket's connections, to learn at once that a peer has come, has gone or was refused.
    ///
    /// A peer that dies, by whatever signal, is reported as ``MonitorEvent/Kind/disconnected`` as soon as the operating
    /// system closes its connection; one that is cut off from the network only by heartbeats. `inproc://` connections
    /// have no events. A socket has one monitor at a time: a new one ends the one before.
    ///
    /// Besides the given kinds, ``MonitorEvent/Kind/monitorStopped`` is always reported. Throws
    /// ``ZeroMQError/Code/closed`` when the socket is closed, ``ZeroMQError/Code/tooManySockets`` when there is no
    /// socket left to report by.
    public func monitor(_ kinds: [MonitorEvent.Kind] = MonitorEvent.Kind.allCases) throws(ZeroMQError) -> MonitorEvents
    {
        try MonitorEvents(of: core, kinds: kinds)
    }
}
