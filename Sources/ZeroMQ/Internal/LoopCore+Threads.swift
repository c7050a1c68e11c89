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
    /// That thread while it serves them: it will look for jobs itself when it is done.
    var serving: pthread_t?
    /// Whether it waits for a time only.
    var isLeaderTimed = false
    /// How many jobs at the front of the queue have been taken.
    var taken = 0
    /// How many jobs have begun.
    var begun: UInt64 = 0
    /// How many had begun when somebody saw last that what is deferred has to wait.
    var begunAtDeferral: UInt64?
    /// How often a leader has left the sockets alone to run a job.
    var departures: UInt64 = 0
    /// Whether a thread looks now and then whether somebody waits for the sockets, and runs the jobs.
    var isWatching = false
    /// Whether one has been woken to do that.
    var wantsWatcher = false

    var isServedByThisThread: Bool { serving.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
}

/// Leader and followers: one thread waits for the sockets; when it wakes, it serves them and then itself runs the job that
/// it has made runnable. So a task goes on on the very thread that the system woke for it. There is one thread more than
/// jobs run at once, hence always one that is free.
///
/// Most jobs are short, and then the leader is back before another thread could have taken its place; to wake one each time
/// would cost more than the job. So nobody waits for the sockets meanwhile, but while leaders leave, another thread, the
/// watcher, looks every millisecond: it waits for the sockets itself when the same job still runs. In the same way, a job
/// that one of the threads has made runnable is left to that thread, which is about to look for one, when it serves the sockets
/// or there is a watcher, who takes the job when no other has begun since he looked last. A task that goes to an actor and comes back
/// stays on its thread.
extension LoopCore {
    private enum Step {
        case run(QueuedJob)
        case serve([SocketCore])
        case act([@Sendable () -> Void])
        case wait(milliseconds: Int32)
        case watch, idle, stop
    }

    /// How often the watcher looks, in milliseconds, and how often in vain before it sleeps.
    private static let watchInterval: Int32 = 1
    private static let quietWatches = 2

    func enqueueForThreads(_ queued: QueuedJob) {
        enum Wake { case nobody, follower, watcher, leader }
        let isOfThisLoop = LoopThread.isOf(self)
        let wake = state.withLock { state -> Wake in
            state.jobs.append(queued)
            if isOfThisLoop, state.threads.isWatching || state.threads.isServedByThisThread,
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
            if state.threads.isWatching {
                state.threads.isWatching = false
                return .watcher
            }
            defer { state.isAsleep = false }
            return state.isAsleep ? .leader : .nobody
        }
        switch wake {
        case .nobody: break
        case .follower: idle.signal()
        case .watcher: watch.signal()
        case .leader: self.wake()
        }
    }

    func runAsOneOfMany() {
        czeromq_name_current_thread("zproc-io")
        LoopThread.enter(self)
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var wasRunning = false
        var wasLeading = false
        var wasIdle = false
        while true {
            var mustWakeFollower = false
            let step = state.withLock { state -> Step in
                if wasRunning { state.threads.running -= 1 }
                if wasLeading {
                    state.threads.hasLeader = false
                    state.threads.serving = nil
                }
                let step = nextStep(&state, wasIdle: wasIdle)
                if wasLeading, case .run = step { state.threads.departures &+= 1 }
                mustWakeFollower = wakesFollower(after: step, &state)
                return step
            }
            (wasRunning, wasLeading, wasIdle) = (false, false, false)
            if mustWakeFollower { idle.signal() }
            switch step {
            case .run(let queued):
                run(queued)
                wasRunning = true
            case .serve(let sockets):
                for socket in sockets { socket.serve() }
            case .act(let actions):
                for action in actions { action() }
            case .wait(let milliseconds):
                poll(into: &events, timeout: milliseconds) {
                    self.state.withLock { $0.threads.serving = pthread_self() }
                }
                wasLeading = true
            case .watch: watchLeaders()
            case .idle:
                idle.wait()
                wasIdle = true
            case .stop: return
            }
        }
    }

    private func nextStep(_ state: inout State, wasIdle: Bool) -> Step {
        if !state.poked.isEmpty {
            defer { state.poked = [] }
            return .serve(state.poked)
        }
        let hasJobs = state.threads.taken < state.jobs.count
        if !state.deferred.isEmpty {
            let isHeldUp = state.threads.running == jobThreads && state.threads.begunAtDeferral == state.threads.begun
            if !hasJobs || isHeldUp || state.jobsSinceDeferral >= Self.jobsBeforeActions {
                defer {
                    state.deferred = []
                    state.jobsSinceDeferral = 0
                    state.threads.begunAtDeferral = nil
                }
                return .act(state.deferred)
            }
            if state.threads.running == jobThreads { state.threads.begunAtDeferral = state.threads.begun }
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
            state.threads.begun &+= 1
            return .run(queued)
        }
        if state.isStopping { return .stop }
        if state.threads.wantsWatcher, wasIdle || state.threads.hasLeader {
            state.threads.wantsWatcher = false
            state.threads.isWatching = true
            return .watch
        }
        guard state.threads.hasLeader else {
            state.threads.hasLeader = true
            state.isAsleep = true
            // Jobs that all take long do not hold up what is deferred.
            state.threads.isLeaderTimed = !state.deferred.isEmpty
            return .wait(milliseconds: state.threads.isLeaderTimed ? Self.watchInterval : -1)
        }
        state.threads.idle += 1
        return .idle
    }

    /// Somebody has to see to it that the sockets are waited for, and to take the next job if there is one.
    private func wakesFollower(after step: Step, _ state: inout State) -> Bool {
        guard case .run = step, state.threads.idle > 0 else { return false }
        let hasMore = state.threads.taken < state.jobs.count && state.threads.running < jobThreads
        let isUnwatched = !state.threads.hasLeader && !state.threads.isWatching
        guard hasMore || isUnwatched else { return false }
        if isUnwatched { state.threads.wantsWatcher = true }
        state.threads.idle -= 1
        return true
    }

    /// Looks until a leader stays away, a job is left lying, none has left for a while, or there is something else to do.
    private func watchLeaders() {
        var seen: (departures: UInt64, begun: UInt64)?
        var quiet = 0
        while !watch.wait(forMilliseconds: Self.watchInterval) {
            let isDone = state.withLock { state -> Bool in
                // Whoever wants this thread has said so, and is about to signal; which one of several gets the signal is
                // all the same.
                guard state.threads.isWatching else { return false }
                let departures = state.threads.departures
                let begun = state.threads.begun
                defer { seen = (departures, begun) }
                let hasLeft = seen?.departures != departures
                quiet = hasLeft ? 0 : quiet + 1
                let isDeserted = !hasLeft && !state.threads.hasLeader
                let isLeftLying =
                    seen?.begun == begun && state.threads.taken < state.jobs.count
                    && state.threads.running < jobThreads
                guard isDeserted || isLeftLying || quiet > Self.quietWatches || state.isStopping else { return false }
                state.threads.isWatching = false
                return true
            }
            if isDone { return }
        }
    }

    /// Has `action` called when some of the jobs that wait have run, or none has begun for a while; false when hardly any
    /// wait, or nobody runs them.
    func deferred(_ action: @escaping @Sendable () -> Void) -> Bool {
        let (isPromised, mustWake) = state.withLock { state in
            let waiting = state.jobs.count - state.threads.taken
            guard jobThreads > 0, waiting >= Self.jobsToDefer else { return (false, false) }
            state.deferred.append(action)
            // Who sleeps for ever would not look.
            let mustWake = state.isAsleep && !state.threads.isLeaderTimed
            if mustWake { state.isAsleep = false }
            return (true, mustWake)
        }
        if mustWake { wake() }
        return isPromised
    }

    private static let jobsToDefer = 4
    private static let jobsBeforeActions = 32

    private func run(_ queued: QueuedJob) {
        guard let loop = state.withLock({ $0.loop }) else {
            // Nobody holds the loop, and yet the job must run.
            return queued.job.runSynchronously(on: actorExecutor.asUnownedSerialExecutor())
        }
        queued.job.runSynchronously(on: loop.asUnownedTaskExecutor())
    }
}

/// Which loop the current thread is one of.
enum LoopThread {
    /// Nil when the process has no room for another one, which costs wake-ups only.
    private static let key: pthread_key_t? = {
        var key = pthread_key_t()
        return pthread_key_create(&key, nil) == 0 ? key : nil
    }()

    /// Called by a thread that belongs to `core`, and keeps it, until it ends.
    static func enter(_ core: LoopCore) {
        if let key { pthread_setspecific(key, Unmanaged.passUnretained(core).toOpaque()) }
    }

    static func isOf(_ core: LoopCore) -> Bool {
        guard let key else { return false }
        return pthread_getspecific(key) == Unmanaged.passUnretained(core).toOpaque()
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

/// Counts wake-ups too, and can be waited for for a time, which no change of the system's clock makes longer.
final class TimedSemaphore: Sendable {
    private let descriptor: Int32

    init() throws(ZeroMQError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_SEMAPHORE | EFD_NONBLOCK))
        if descriptor == -1 { throw ZeroMQError(errno, while: "open a wake-up descriptor for a socket loop") }
    }

    deinit { close(descriptor) }

    // Cannot fail but by overflow, after 2^64 wake-ups.
    func signal() { eventfd_write(descriptor, 1) }

    /// Whether a signal came in that time; each is for one that waits.
    func wait(forMilliseconds time: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, time) > 0 else { return false }
        var count: eventfd_t = 0
        return eventfd_read(descriptor, &count) == 0
    }
}
