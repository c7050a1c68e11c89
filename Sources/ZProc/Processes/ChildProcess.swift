// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc
internal import Synchronization
internal import ZProcCore

/// A child of this process, as its parent sees it.
final class ChildProcess: Sendable, Stoppable {
    let token: UInt64
    let name: String?
    /// What the child asks for when it has connected.
    let job: [UInt8]
    /// What the body returned, encoded, or threw; or how the process ended instead.
    let outcome = Promise<[UInt8]>()
    /// The id of the actor it hosts, once there is one.
    let hosted = Promise<[UInt8]>()
    /// Settled when the child is to cancel its body.
    let stopRequest = Promise<Void>()
    /// Settled when the process has ended and been reaped.
    let exit = Promise<Void>()

    private struct State {
        /// 0 before the process has been started.
        var pid: pid_t = 0
        /// For signals, from the start until the process is reaped; else -1.
        var descriptor: Int32 = -1
        /// A signal sent before the process was there to get it.
        var early: Int32?
    }
    private let state = Mutex(State())

    init(token: UInt64, name: String?, job: [UInt8]) {
        self.token = token
        self.name = name
        self.job = job
    }

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
        exit.settle(.success(()))
    }

    /// The process has ended and all it wrote has been read.
    func ended(_ end: ProcessLauncher.Termination) {
        let termination = ProcessTermination(
            cause: end.cause,
            processID: processID,
            name: name,
            standardErrorTail: String(decoding: end.standardErrorTail, as: UTF8.self)
        )
        outcome.settle(.failure(termination))
        hosted.settle(.failure(termination))
        exit.settle(.success(()))
    }

    /// The process has been reaped, and its descriptor is no more.
    func reaped() { state.withLock { $0.descriptor = -1 } }

    /// The body's time is up: its value is known, and the process is stopped.
    func timeIsUp(after time: Duration, grace: Duration) async {
        let termination = ProcessTermination(
            cause: .timedOut(after: time),
            processID: processID,
            name: name,
            standardErrorTail: ""
        )
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

    /// Cancels the body, then sends SIGTERM, then SIGKILL, each when the process is still there after `grace`.
    func stop(grace: Duration) async {
        stopRequest.settle(.success(()))
        if await ends(within: grace) { return }
        signal(SIGTERM)
        if await ends(within: grace) { return }
        signal(SIGKILL)
        await waitUntilEnded()
    }

    private func waitUntilEnded() async {
        // Not cancellable: whoever stops a process relies on it being gone.
        await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in
            Task {
                try? await exit.value()
                done.resume()
            }
        }
    }

    private func ends(within time: Duration) async -> Bool {
        await withUnsafeContinuation { (done: UnsafeContinuation<Bool, Never>) in
            // Unstructured, so that a cancelled task still gives the process its time.
            Task {
                await withTaskGroup(of: Bool.self) { group in
                    group.addTask { (try? await self.exit.value()) != nil }
                    group.addTask {
                        try? await Task.sleep(for: time.countable)
                        return false
                    }
                    let ended = await group.next() ?? false
                    group.cancelAll()
                    done.resume(returning: ended)
                }
            }
        }
    }
}

/// Something a context started and stops when it ends.
protocol Stoppable: AnyObject, Sendable {
    /// Returns when it has ended.
    func stop(grace: Duration) async
}
