// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// One thread of its own for one task and what it starts; it may block as long as it likes.
///
/// The thread ends when ``finish()`` has been called and nothing is left to run.
package final class ThreadExecutor: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isFinished = false
    }
    private let state = Mutex(State())
    /// Counts up with each job, and once for the end.
    nonisolated(unsafe) private let semaphore: UnsafeMutablePointer<sem_t>

    /// Starts the thread, or ends the program when there is none to be had.
    package convenience init() {
        do throws(ThreadError) {
            try self.init(ifPossible: ())
        } catch {
            preconditionFailure("no thread of its own for a body that blocks: \(error)")
        }
    }

    /// Starts the thread.
    ///
    /// - Parameter ifPossible: says that the caller can do without.
    /// - Throws: ``ThreadError``.
    package init(ifPossible: Void) throws(ThreadError) {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
        try tryToStartThread { [self] in run() }
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isLate = state.withLock { state in
            if !state.isFinished { state.jobs.append(job) }
            return state.isFinished
        }
        // Its thread has gone: what the task still does runs on the common pool.
        if isLate { globalConcurrentExecutor.enqueue(ExecutorJob(job)) } else { sem_post(semaphore) }
    }

    /// Lets the thread end.
    package func finish() {
        state.withLock { $0.isFinished = true }
        sem_post(semaphore)
    }

    private func run() {
        while true {
            sem_wait(semaphore)
            let (job, isFinished) = state.withLock { state -> (UnownedJob?, Bool) in
                (state.jobs.isEmpty ? nil : state.jobs.removeFirst(), state.isFinished)
            }
            if let job {
                job.runSynchronously(on: asUnownedTaskExecutor())
            } else if isFinished {
                return
            }
        }
    }
}
