// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// Runs what a commit makes go on, on the thread that has learnt of it.
///
/// A task that prefers it saves a hand-over to another thread. What becomes runnable elsewhere runs on the common pool, so
/// the thread is woken for nothing but commits; and so does what these jobs make runnable themselves, so that none of them
/// keeps the thread from its other work.
package final class MonitorExecutor: TaskExecutor {
    private struct State {
        /// The monitor's, while it tells of a commit.
        var thread: pthread_t?
        var jobs: [UnownedJob] = []
    }
    private let state = Mutex(State())

    package init() {}

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isHere = state.withLock { state in
            guard let thread = state.thread, pthread_equal(thread, pthread_self()) != 0 else { return false }
            state.jobs.append(job)
            return true
        }
        if !isHere { globalConcurrentExecutor.enqueue(ExecutorJob(job)) }
    }

    /// Calls `body` on this thread, the only one that ever does, and runs what that makes go on.
    package func run(_ body: () -> Void) {
        state.withLock { $0.thread = pthread_self() }
        body()
        let jobs = state.withLock { state in
            defer { state = State() }
            return state.jobs
        }
        for job in jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
