// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Glibc
internal import Synchronization

/// What the threads of a loop with job threads are doing.
struct ThreadCounts {
    /// Threads that run a job; never more than there are job threads.
    var running = 0
    /// Threads asleep on the semaphore.
    var idle = 0
    /// Whether a thread waits for the sockets, or serves them.
    var hasLeader = false
    /// The leader while it serves sockets: it will look for jobs itself when it is done.
    var serving: pthread_t?
    /// How many jobs at the front of the queue have been taken.
    var taken = 0
}

/// Leader and followers: one thread waits for the sockets; when it wakes, it serves them, hands the waiting over to
/// another thread and itself runs the job that it has made runnable. So a task goes on on the very thread that libzmq
/// woke for it. There is one thread more than jobs run at once, hence always one that waits or is about to.
extension LoopCore {
    private enum Step {
        case run(QueuedJob)
        case serve([SocketCore])
        case act([@Sendable () -> Void])
        case wait, idle, stop
    }

    func enqueueForThreads(_ queued: QueuedJob) {
        enum Wake { case nobody, follower, leader }
        let wake = state.withLock { state -> Wake in
            state.jobs.append(queued)
            if let serving = state.threads.serving, pthread_equal(serving, pthread_self()) != 0,
                state.jobs.count - state.threads.taken == 1
            {
                return .nobody
            }
            // When all job threads are busy, the first to end takes it.
            guard state.threads.running < jobThreads else { return .nobody }
            if state.threads.idle > 0 {
                state.threads.idle -= 1
                return .follower
            }
            defer { state.isAsleep = false }
            return state.isAsleep ? .leader : .nobody
        }
        switch wake {
        case .nobody: break
        case .follower: idle.signal()
        case .leader: self.wake()
        }
    }

    func runAsOneOfMany() {
        czeromq_name_current_thread("zproc-io")
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var wasRunning = false
        var wasLeading = false
        while true {
            var mustWakeFollower = false
            let step = state.withLock { state -> Step in
                if wasRunning { state.threads.running -= 1 }
                if wasLeading {
                    state.threads.hasLeader = false
                    state.threads.serving = nil
                }
                let step = nextStep(&state)
                mustWakeFollower = wakesFollower(after: step, &state)
                return step
            }
            (wasRunning, wasLeading) = (false, false)
            if mustWakeFollower { idle.signal() }
            switch step {
            case .run(let queued):
                run(queued)
                wasRunning = true
            case .serve(let sockets):
                for socket in sockets { socket.serve() }
            case .act(let actions):
                for action in actions { action() }
            case .wait:
                wait(into: &events)
                wasLeading = true
            case .idle: idle.wait()
            case .stop: return
            }
        }
    }

    private func nextStep(_ state: inout State) -> Step {
        if !state.poked.isEmpty {
            defer { state.poked = [] }
            return .serve(state.poked)
        }
        let hasJobs = state.threads.taken < state.jobs.count
        if !state.deferred.isEmpty, !hasJobs || state.jobsSinceDeferral >= Self.jobsBeforeActions {
            defer {
                state.deferred = []
                state.jobsSinceDeferral = 0
            }
            return .act(state.deferred)
        }
        if state.threads.running < jobThreads, hasJobs {
            if !state.deferred.isEmpty { state.jobsSinceDeferral += 1 }
            let queued = state.jobs[state.threads.taken]
            state.threads.taken += 1
            if state.threads.taken == state.jobs.count {
                state.jobs.removeAll(keepingCapacity: true)
                state.threads.taken = 0
            } else if state.threads.taken > 1_000, state.threads.taken * 2 > state.jobs.count {
                state.jobs.removeFirst(state.threads.taken)
                state.threads.taken = 0
            }
            state.threads.running += 1
            return .run(queued)
        }
        if state.isStopping { return .stop }
        guard state.threads.hasLeader else {
            state.threads.hasLeader = true
            state.isAsleep = true
            return .wait
        }
        state.threads.idle += 1
        return .idle
    }

    /// Somebody has to wait for the sockets, and take the next job if there is one.
    private func wakesFollower(after step: Step, _ state: inout State) -> Bool {
        guard case .run = step, state.threads.idle > 0 else { return false }
        let hasMore = state.threads.taken < state.jobs.count && state.threads.running < jobThreads
        guard !state.threads.hasLeader || hasMore else { return false }
        state.threads.idle -= 1
        return true
    }

    /// Has `action` called when some of the jobs that wait have run; false when hardly any wait, or nobody runs them.
    func deferred(_ action: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            guard jobThreads > 0, state.jobs.count - state.threads.taken >= Self.jobsToDefer else { return false }
            state.deferred.append(action)
            return true
        }
    }

    private static let jobsToDefer = 4
    private static let jobsBeforeActions = 32

    private func wait(into events: inout [epoll_event]) {
        poll(into: &events, timeout: -1) {
            self.state.withLock { $0.threads.serving = pthread_self() }
        }
    }

    private func run(_ queued: QueuedJob) {
        guard let loop = state.withLock({ $0.loop }) else {
            // Nobody holds the loop, and yet the job must run.
            return queued.job.runSynchronously(on: actorExecutor.asUnownedSerialExecutor())
        }
        queued.job.runSynchronously(on: loop.asUnownedTaskExecutor())
    }
}

/// Counts wake-ups, so that none is lost when it comes before the sleep.
final class Semaphore: Sendable {
    /// Changed by the C library only, which synchronises it; freed with this object.
    nonisolated(unsafe) private let handle: UnsafeMutablePointer<sem_t>

    init() {
        handle = .allocate(capacity: 1)
        handle.initialize(to: sem_t())
        sem_init(handle, 0, 0)
    }

    deinit {
        sem_destroy(handle)
        handle.deallocate()
    }

    func signal() { sem_post(handle) }

    func wait() {
        while sem_wait(handle) == -1, errno == EINTR {}
    }
}
