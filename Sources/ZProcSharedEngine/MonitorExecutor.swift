// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// Runs what a commit makes go on, on the thread that has learnt of it.
///
/// A task that prefers it saves a hand-over to another thread. What becomes runnable elsewhere runs on the common pool, so
/// the thread is woken for nothing but commits.
final class MonitorExecutor: TaskExecutor {
    private struct State {
        /// The monitor's, while it tells of commits.
        var thread: pthread_t?
        var jobs: [UnownedJob] = []
    }
    private let state = Mutex(State())

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isHere = state.withLock { state in
            guard let thread = state.thread, pthread_equal(thread, pthread_self()) != 0 else { return false }
            state.jobs.append(job)
            return true
        }
        if !isHere { globalConcurrentExecutor.enqueue(ExecutorJob(job)) }
    }

    /// Calls `body` on this thread, the only one that ever does, and runs what that makes go on.
    func run(_ body: () -> Void) {
        state.withLock { $0.thread = pthread_self() }
        body()
        while true {
            let jobs = state.withLock { state in
                if state.jobs.isEmpty { state.thread = nil }
                defer { state.jobs = [] }
                return state.jobs
            }
            if jobs.isEmpty { return }
            for job in jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
        }
    }
}
