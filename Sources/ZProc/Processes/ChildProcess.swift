// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc
internal import Synchronization
internal import ZProcCore

/// A child of this process, as its parent sees it.
final class ChildProcess: Sendable, Stoppable {
    let token: UInt64
    /// What the child asks for when it has connected; a spare process waits for it.
    let job = Promise<[UInt8]>()
    /// What the body returned, encoded, or threw; or how the process ended instead.
    let outcome = Promise<[UInt8]>()
    /// Where it listens, once it is a host of actors.
    let hosted = Promise<[UInt8]>()
    /// Settled when the child is to cancel its body.
    let stopRequest = Promise<Void>()
    /// Settled when the process has ended and been reaped.
    let exit = Promise<Void>()

    private struct State {
        var name: String?
        /// 0 before the process has been started.
        var pid: pid_t = 0
        /// For signals, from the start until the process is reaped; else -1.
        var descriptor: Int32 = -1
        /// A signal sent before the process was there to get it.
        var early: Int32?
        var isReady = false
    }
    private let state: Mutex<State>

    init(token: UInt64, name: String?) {
        self.token = token
        state = Mutex(State(name: name))
    }

    /// Gives it its work; false when it has ended in the meantime.
    func assign(_ work: [UInt8], name: String?) -> Bool {
        state.withLock { $0.name = name }
        return exit.result == nil && job.settle(.success(work))
    }

    /// Whether it has started and asked for its work.
    var isReady: Bool { state.withLock { $0.isReady } }
    func asksForJob() { state.withLock { $0.isReady = true } }

    var name: String? { state.withLock { $0.name } }
    var processID: Int { state.withLock { Int($0.pid) } }
    var isRunning: Bool { exit.result == nil }

    func started(pid: pid_t, descriptor: Int32) {
        state.withLock { state in
            state.pid = pid
            state.descriptor = descriptor
            if let early = state.early { _ = czproc_signal(descriptor, early) }
        }
    }

    /// The system could not start it: there is nothing to stop or to wait for.
    func failedToStart(_ error: SpawnError) {
        outcome.settle(.failure(error))
        hosted.settle(.failure(error))
        job.settle(.failure(error))
        exit.settle()
    }

    /// The process has ended and all it wrote has been read.
    func ended(_ end: ProcessLauncher.Termination) {
        let termination = ProcessTermination(end, processID: processID, name: name)
        outcome.settle(.failure(termination))
        hosted.settle(.failure(termination))
        job.settle(.failure(termination))
        exit.settle()
    }

    /// The process has been reaped, and its descriptor is no more.
    func reaped() { state.withLock { $0.descriptor = -1 } }

    /// The body's time is up: its value is known, and the process is stopped.
    func timeIsUp(after time: Duration, grace: Duration) async {
        let termination = ProcessTermination(.timedOut(after: time), processID: processID, name: name)
        guard outcome.settle(.failure(termination)) else { return }
        hosted.settle(.failure(termination))
        await stop(grace: grace)
    }

    /// Sends a signal: as soon as the process has been started, and never after its end.
    func signal(_ number: Int32) {
        state.withLock { state in
            if state.pid == 0 {
                state.early = number
            } else if state.descriptor >= 0 {
                _ = czproc_signal(state.descriptor, number)
            }
        }
    }

    /// Sends a SIGTERM that does not only cancel the body, as others do.
    private func end() {
        state.withLock { state in
            if state.pid == 0 {
                // Before there is a body it is like any other.
                state.early = SIGTERM
            } else if state.descriptor >= 0 {
                _ = czproc_end(state.descriptor)
            }
        }
    }

    /// Cancels the body, then sends SIGTERM, then SIGKILL, each when the process is still there after `grace`.
    func stop(grace: Duration) async {
        stopRequest.settle()
        // A spare process has nothing that could be cancelled.
        if await ends(within: job.result == nil ? .zero : grace) { return }
        end()
        if await ends(within: grace) { return }
        signal(SIGKILL)
        // Whoever stops a process relies on it being gone, cancelled or not.
        _ = await exit.settled()
    }

    private func ends(within time: Duration) async -> Bool {
        // A task of its own, so that a cancelled one still gives the process its time.
        await Task { (try? await exit.isSettled(within: time)) ?? false }.value
    }
}

/// Something a context started and stops when it ends.
protocol Stoppable: AnyObject, Sendable {
    /// Returns when it has ended.
    func stop(grace: Duration) async
    /// Settled when it has gone; nil unless it has come to its end and is about to go.
    var departure: Promise<Void>? { get }
}

extension Stoppable {
    var departure: Promise<Void>? { nil }
}
