// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Glibc
internal import Synchronization
internal import WeakReferences

/// What the threads of a loop with job threads are doing.
struct ThreadCounts {
    /// Threads there are or that are being started: one at first, and others when they are wanted.
    var started = 1
    /// Threads that run a job; never more than there are job threads.
    var running = 0
    /// Threads that do what others have left for the loop to do.
    var acting = 0
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
    /// Whether somebody looks now and then whether the sockets are waited for, and the jobs run; see ``LoopWatch``.
    var isWatched = false
    /// What was so at the last look.
    var seen = Progress()

    /// By what one can tell that a loop goes on.
    struct Progress {
        var departures: UInt64 = 0
        var begun: UInt64 = 0
    }

    var isServedByThisThread: Bool { serving.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
}

/// Leader and followers: one thread waits for the sockets; when it wakes, it serves them and then itself runs the job that
/// it has made runnable. So a task goes on on the very thread that the system woke for it. There is one thread more than
/// jobs run at once, hence always one that is free as long as the system has threads; each is started when it is wanted
/// first, since a process with little to do never needs more than one.
///
/// Most jobs are short, and then the leader is back before another thread could have taken its place; to wake one each time
/// would cost more than the job. So nobody waits for the sockets meanwhile, but while leaders leave, the process's
/// ``LoopWatch`` looks every millisecond: it calls a thread to wait for the sockets when the same job still runs. In the same
/// way, a job that one of the threads has made runnable is left to that thread, which is about to look for one, when it serves
/// the sockets or the loop is watched; another one is called when none has begun since the last look. A task that
/// goes to an actor and comes back stays on its thread.
extension LoopCore {
    private enum Step {
        /// On behalf of the loop, unless nobody holds it any more.
        case run(QueuedJob, SocketLoop?)
        case serve([SocketCore])
        case act([@Sendable () -> Void])
        case wait(milliseconds: Int32)
        case idle, stop
    }

    /// How long a leader waits when there is something that must not wait for the sockets.
    private static let shortWait: Int32 = 1

    func enqueueForThreads(_ queued: QueuedJob) {
        let isOfThisLoop = LoopThread.isOf(self)
        let helper = state.withLock { state -> Helper in
            state.jobs.append(queued)
            if isOfThisLoop, state.threads.isWatched || state.threads.isServedByThisThread,
                state.jobs.count - state.threads.taken == 1
            {
                return .nobody
            }
            // When all job threads are busy, the first to end takes it.
            return state.threads.running < jobThreads ? summon(&state) : .nobody
        }
        call(helper)
    }

    /// Who is to take a job, or to wait for the sockets.
    private enum Helper { case nobody, follower, newcomer, leader }

    /// Chooses a thread that has nothing to do, or a new one.
    private func summon(_ state: inout State) -> Helper {
        if state.threads.idle > 0 {
            state.threads.idle -= 1
            return .follower
        }
        if state.isAsleep {
            state.isAsleep = false
            return .leader
        }
        // Whoever does nothing else is about to look for what there is to do.
        let busy = state.threads.running + state.threads.acting + (state.threads.serving == nil ? 0 : 1)
        guard busy == state.threads.started, state.threads.started <= jobThreads else { return .nobody }
        state.threads.started += 1
        return .newcomer
    }

    private func call(_ helper: Helper) {
        switch helper {
        case .nobody: break
        case .follower: idle.signal()
        case .leader: wake()
        case .newcomer:
            // When the system has no more threads, others do it when they have time.
            if (try? startThread()) == nil { state.withLock { $0.threads.started -= 1 } }
        }
    }

    func runAsOneOfMany() {
        czeromq_name_current_thread("zproc-io")
        LoopThread.enter(self)
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var wasRunning = false
        var wasLeading = false
        var wasActing = false
        while true {
            var helper = Helper.nobody, mustBeWatched = false
            let step = state.withLock { state -> Step in
                if wasRunning { state.threads.running -= 1 }
                if wasActing { state.threads.acting -= 1 }
                if wasLeading {
                    state.threads.hasLeader = false
                    state.threads.serving = nil
                }
                let step = nextStep(&state)
                switch step {
                case .run: break
                case .serve, .act:
                    state.threads.acting += 1
                    return step
                case .wait, .idle, .stop: return step
                }
                if wasLeading { state.threads.departures &+= 1 }
                // For the others, besides the job that this thread is about to run.
                if canRunOneMore(state) { helper = summon(&state) }
                mustBeWatched = wantsWatch(&state)
                return step
            }
            (wasRunning, wasLeading, wasActing) = (false, false, false)
            call(helper)
            if mustBeWatched { watch?.add([self]) }
            switch step {
            case .run(let queued, let loop):
                run(queued, on: loop)
                wasRunning = true
            case .serve(let sockets):
                for socket in sockets { socket.serve() }
                wasActing = true
            case .act(let actions):
                for action in actions { action() }
                wasActing = true
            case .wait(let milliseconds):
                poll(into: &events, timeout: milliseconds) {
                    self.state.withLock { $0.threads.serving = pthread_self() }
                }
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
            return .run(queued, state.loop?.object)
        }
        if state.isStopping {
            state.threads.started -= 1
            return .stop
        }
        guard state.threads.hasLeader else {
            state.threads.hasLeader = true
            state.isAsleep = true
            // Jobs that all take long do not hold up what is deferred.
            state.threads.isLeaderTimed = !state.deferred.isEmpty
            return .wait(milliseconds: state.threads.isLeaderTimed ? Self.shortWait : -1)
        }
        state.threads.idle += 1
        return .idle
    }

    /// Whether there is a job, and one more may run.
    private func canRunOneMore(_ state: borrowing State) -> Bool {
        state.threads.taken < state.jobs.count && state.threads.running < jobThreads
    }

    /// Somebody has to see to it that the sockets are waited for.
    private func wantsWatch(_ state: inout State) -> Bool {
        guard !state.threads.hasLeader, !state.threads.isWatched else { return false }
        state.threads.isWatched = true
        state.threads.seen = .init(departures: state.threads.departures, begun: state.threads.begun)
        return true
    }

    /// Calls a thread when a leader stays away or a job is left lying.
    ///
    /// - Returns: whether to look again; if not, the next thread that runs a job while nobody leads asks for it.
    func look() -> Bool {
        let (goesOn, helper) = state.withLock { state -> (Bool, Helper) in
            let seen = state.threads.seen
            state.threads.seen = .init(departures: state.threads.departures, begun: state.threads.begun)
            let hasLeft = seen.departures != state.threads.departures
            let isDeserted = !hasLeft && !state.threads.hasLeader && !state.isStopping
            let hasJobs = canRunOneMore(state), isLeftLying = hasJobs && seen.begun == state.threads.begun
            // A leader who stays needs nobody, and a job that all are too busy for is taken by the first to be free.
            state.threads.isWatched = hasJobs || isDeserted || hasLeft && !state.isStopping
            return (state.threads.isWatched, isDeserted || isLeftLying ? summon(&state) : .nobody)
        }
        call(helper)
        return goesOn
    }

    /// Has `action` called when some of the jobs that wait have run, or none has begun for a while; false when hardly any
    /// wait, or nobody runs them.
    func deferred(_ action: () -> @Sendable () -> Void) -> Bool {
        let (isPromised, mustWake) = state.withLock { state in
            let waiting = state.jobs.count - state.threads.taken
            guard jobThreads > 0, waiting >= Self.jobsToDefer else { return (false, false) }
            state.deferred.append(action())
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

    private func run(_ queued: QueuedJob, on loop: SocketLoop?) {
        guard let loop else {
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
