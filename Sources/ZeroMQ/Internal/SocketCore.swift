// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Synchronization

/// A libzmq socket, its lock, and the tasks that wait for it.
///
/// libzmq lets a socket move between threads if each move is a full memory fence; here the lock is the fence, and every
/// call on the handle is made under it. Only the descriptor is watched without the lock, and that by the kernel.
///
/// No wake-up is lost because of three rules, each kept under the lock:
/// 1. A task is left waiting only after libzmq has processed all its commands and still could not serve it. From then
///    on, the next command makes libzmq signal the descriptor: a new edge for the loop.
/// 2. Any call may process commands, and with them swallow a signal; so whoever made the call serves the waiters.
/// 3. The loop serves on every edge, and serving ends with rule 1 or with nobody waiting.
/// 4. Looking for one side processes commands that the other may wait for, and each look does so again. While senders
///    wait, the loop therefore hears of every signal taken in, by itself too, and serves until a turn takes none.
///
/// Continuations are resumed after unlocking. No other lock is taken inside but the loop's registry.
final class SocketCore: LoopSource {
    struct State: ~Copyable {
        /// Nil once closed.
        var handle: UnsafeMutableRawPointer?
        var receivers = WaiterQueue<ReceiveWaiter>()
        var senders = WaiterQueue<SendWaiter>()
        var isWatched = false
        /// Whether reads of the descriptor are reported too; see rule 4.
        var isWatchedForReads = false
        /// Gets the messages instead of tasks that wait, once set.
        var handler: Delivery?
        /// Whether a thread hands messages over.
        var isDelivering = false
        /// Whether another thread has found that there is more.
        var mustDeliverAgain = false
        /// Called when all has been handed over.
        var deliveryEnd: (@Sendable () -> Void)?
        /// The key of the socket that the connections' events go to; 0 while there is none.
        var monitor: UInt64 = 0

        init(handle: sending UnsafeMutableRawPointer) {
            self.handle = handle
        }
    }

    let state: Mutex<State>
    let kind: SocketKind
    /// libzmq's signal, to be polled and nothing else.
    let descriptor: Int32
    /// Names the socket in its loop; never used twice.
    let key: UInt64
    let context: SocketContext

    init(context: SocketContext, kind: SocketKind, key: UInt64) throws(ZeroMQError) {
        guard let handle = zmq_socket(context.handle, kind.rawType) else {
            throw ZeroMQError(zmq_errno(), while: "open a \(kind) socket")
        }
        var descriptor: Int32 = -1
        var size = MemoryLayout<Int32>.size
        let result = errorNumber { zmq_getsockopt(handle, ZMQ_FD, &descriptor, &size) }
        if result != 0 {
            zmq_close(handle)
            throw ZeroMQError(result, while: "read the descriptor of a \(kind) socket")
        }
        var linger: Int32 = 0
        zmq_setsockopt(handle, ZMQ_LINGER, &linger, MemoryLayout<Int32>.size)
        self.context = context
        self.kind = kind
        self.key = key
        self.descriptor = descriptor
        nonisolated(unsafe) let owned = handle  // from here on, touched under the lock only
        state = Mutex(State(handle: owned))
    }

    /// Runs `call` on the handle, then serves whoever waits, since the call may have swallowed their signal.
    func withHandle(_ call: (UnsafeMutableRawPointer) -> ErrorNumber) -> ErrorNumber {
        var resumptions = Resumptions()
        var mustPoke = false
        let result = state.withLock { state -> ErrorNumber in
            guard let handle = state.handle else { return ENOTSOCK }
            let result = call(handle)
            state.serve(routing: kind.routesByFirstFrame, into: &resumptions)
            mustPoke = state.hasUnsignalledMessages()
            return result
        }
        resumptions.resume()
        if mustPoke { context.loop.core.poke(self) }
        return result
    }

    /// The descriptor says only that there is something to look for.
    func serve(_ events: LoopEvents) { serve() }

    /// Serves waiters or the handler after an edge of the descriptor, on the loop's thread.
    func serve() {
        var resumptions = Resumptions()
        let handler = state.withLock { state -> Delivery? in
            if state.isWatchedForReads, state.senders.isEmpty {
                state.isWatchedForReads = context.loop.core.change(.signals, in: self) != 0
            }
            if state.handler == nil { state.serve(routing: kind.routesByFirstFrame, into: &resumptions) }
            return state.handler
        }
        resumptions.resume()
        if let handler { deliver(handler) }
    }

    /// Has the loop watch the descriptor, from the first wait on.
    func watch(_ state: inout State) -> ErrorNumber {
        if state.isWatched { return 0 }
        let result = context.loop.core.register(self)
        state.isWatched = result == 0
        return result
    }

    /// Sends the connections' events to an endpoint from now on, and no longer where they went before.
    func startMonitor(_ monitor: UInt64, endpoint: String, mask: Int32) -> ErrorNumber {
        state.withLock { state in
            guard let handle = state.handle else { return ENOTSOCK }
            state.monitor = monitor
            return errorNumber { zmq_socket_monitor(handle, endpoint, mask) }
        }
    }

    var isMonitored: Bool { state.withLock { $0.monitor != 0 } }

    /// Ends the events, unless another monitor has taken over.
    func stopMonitor(_ monitor: UInt64) {
        state.withLock { state in
            guard let handle = state.handle, state.monitor == monitor else { return }
            state.monitor = 0
            zmq_socket_monitor(handle, nil, 0)
        }
    }

    var isClosed: Bool {
        state.withLock { $0.handle == nil }
    }

    /// Has the loop watch the descriptor so that rule 4 holds.
    func watchForReads(_ state: inout State) -> ErrorNumber {
        let result = watch(&state)
        if result != 0 || state.isWatchedForReads { return result }
        let change = context.loop.core.change(.signalsAndReads, in: self)
        state.isWatchedForReads = change == 0
        return change
    }

    /// Closes the socket; whoever waits gets ENOTSOCK.
    func close() {
        var resumptions = Resumptions()
        let deliveryEnd = state.withLock { state -> (@Sendable () -> Void)? in
            guard let handle = state.handle else { return nil }
            state.handle = nil
            state.handler = nil
            defer { state.deliveryEnd = nil }
            if state.isWatched { context.loop.core.unregister(self) }
            // Here, while somebody is there to read it: libzmq says that the monitoring ends, and its thread that closes
            // sockets would wait for ever for a reader who has gone.
            if state.monitor != 0 { zmq_socket_monitor(handle, nil, 0) }
            zmq_close(handle)
            for waiter in state.receivers.removeAll() { resumptions.append(waiter.finish(ENOTSOCK)) }
            for waiter in state.senders.removeAll() { resumptions.append(waiter.finish(ENOTSOCK)) }
            return state.deliveryEnd
        }
        context.forget(self)
        resumptions.resume()
        deliveryEnd?()
    }

    // MARK: Waiting

    /// Suspends the task until `waiter` is done, or gives it up when the task is cancelled.
    func wait(for waiter: Waiter) async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let isSuspended = state.withLock { _ in waiter.suspend(continuation) }
                if !isSuspended { continuation.resume() }
            }
        } onCancel: {
            cancel(waiter)
        }
    }

    private func cancel(_ waiter: Waiter) {
        let continuation = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            let isWaiting =
                switch waiter {
                case let receiver as ReceiveWaiter: state.receivers.remove(receiver)
                case let sender as SendWaiter: state.senders.remove(sender)
                default: false
                }
            return isWaiting ? waiter.finish(ECANCELED) : nil
        }
        continuation?.resume()
    }
}
