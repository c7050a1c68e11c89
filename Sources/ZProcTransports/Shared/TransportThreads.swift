// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
package import ZProcCore
package import ZeroMQ

/// The threads that wait for the sockets of one or several transports, and run tasks.
///
/// They come with the first use, since a context that spawns nothing needs none, and go with the last transport.
package final class TransportThreads: Sendable {
    private struct State {
        var loop: SocketLoop?
        var transportCount = 0
    }
    private let count: Int
    private let state = Mutex(State())

    /// - Parameter count: how many tasks run at once; nil for as many as there are processors.
    package init(count: Int? = nil) { self.count = max(1, count ?? sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// Counts a transport that uses them.
    package func enter() { state.withLock { $0.transportCount += 1 } }

    /// Ends them with the last transport; called once for each.
    package func leave() {
        let loop = state.withLock { state -> SocketLoop? in
            state.transportCount -= 1
            guard state.transportCount == 0 else { return nil }
            defer { state.loop = nil }
            return state.loop
        }
        withExtendedLifetime(loop) {}
    }

    /// Starts the first of them the first time; others follow when they are wanted, as long as the system has threads.
    ///
    /// - Throws: ``TransportError/Code/resources``; ``TransportError/Code/closed`` after the last transport's end.
    package func loop() throws(TransportError) -> SocketLoop {
        try state.withLock { state throws(TransportError) in
            if let loop = state.loop { return loop }
            guard state.transportCount > 0 else { throw TransportError(.closed, "the transport has been shut down") }
            do throws(ZeroMQError) {
                let loop = try SocketLoop(jobThreads: count)
                state.loop = loop
                return loop
            } catch {
                throw TransportError(.resources, error.message)
            }
        }
    }
}

extension SocketLoop: TransportExecutor {
    /// See ``TransportExecutor/enqueue(_:)``.
    package func enqueue(_ work: @escaping @Sendable (any WorkTurn) -> Int) {
        enqueue { (turn: LoopTurn) in work(turn) }
    }
}

extension LoopTurn: WorkTurn {}
