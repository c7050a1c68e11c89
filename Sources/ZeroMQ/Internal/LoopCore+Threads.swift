// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Glibc
internal import Synchronization
internal import WeakReferences

/// What the threads of a loop with job threads do; ``LoopThreads`` decides which of them does it.
extension LoopCore {
    private enum Step {
        /// On behalf of the loop, unless nobody holds it any more.
        case run(UnownedJob, SocketLoop?)
        case work(LoopTurn)
        case serve([SocketCore])
        case act([@Sendable () -> Void])
        case poll(milliseconds: Int32)
        case idle, stop
    }

    /// How long a leader waits when there is something that must not wait for the sockets.
    private static let shortWait: Int32 = 1

    func enqueueForThreads(_ queued: QueuedJob) { enqueueForThreads(queued, from: LoopThread.place(in: self)) }

    /// Has a job run by one of the threads.
    ///
    /// - Parameters:
    ///   - queued: the job.
    ///   - place: that of the calling thread, when it is going to look for a job.
    func enqueueForThreads(_ queued: QueuedJob, from place: Int?) {
        let orders = state.withLock { state in
            state.jobs.append(queued)
            return state.threads.jobCame(from: place, state.work)
        }
        obey(orders)
    }

    private func obey(_ orders: LoopThreads.Orders) {
        call(orders.helper)
        if orders.mustBeWatched { watch?.add([self]) }
    }

    private func call(_ helper: LoopThreads.Helper) {
        switch helper {
        case .nobody: break
        case .follower: idle.signal()
        case .leader: wake()
        case .newcomer:
            // When the system has no more threads, others do it when they have time.
            guard (try? startThread()) == nil, state.withLock({ $0.threads.newcomerFailed() }) else { return }
            watch?.add([self])
        }
    }

    func runAsOneOfMany() {
        czeromq_name_current_thread("zproc-io")
        let place = state.withLock { $0.threads.enter() }
        let thread = LoopThread(core: self, place: place)
        thread.enter()
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var pace = JobPace()
        var areShort: Bool?
        var epoch = 0
        while true {
            let (step, orders, ended) = state.withLock { state -> (Step, LoopThreads.Orders, LoopTurn?) in
                if epoch != state.threads.epoch {
                    epoch = state.threads.epoch
                    pace = JobPace()
                } else if let areShort {
                    state.threads.measured(areShort: areShort)
                }
                let ended = state.endTurn(at: place)
                let (step, orders) = state.threads.next(at: place, state.work)
                return (take(step, at: place, from: &state), orders, ended)
            }
            // What the work holds, such as this loop, is let go without the lock, which that may need.
            withExtendedLifetime(ended) {}
            obey(orders)
            areShort = nil
            switch step {
            case .run(let job, let loop):
                if let loop {
                    job.runSynchronously(on: loop.asUnownedTaskExecutor())
                } else {
                    // Nobody holds the loop, and yet the job must run.
                    job.runSynchronously(on: actorExecutor.asUnownedSerialExecutor())
                }
                areShort = pace.jobsEnded(1) { .ofThisThread }
            case .work(let turn): areShort = take(turn, on: thread, &pace)
            case .serve(let sockets): for socket in sockets { socket.serve() }
            case .act(let actions): for action in actions { action() }
            case .poll(let milliseconds):
                if milliseconds != 0 { pace.waits() }
                poll(into: &events, timeout: milliseconds) {
                    if state.withLock({ $0.threads.beginsServing(at: place, $0.work) }) { watch?.add([self]) }
                }
            case .idle:
                // What it has measured until now may be old when somebody calls it.
                pace = JobPace()
                idle.wait()
            case .stop: return thread.leave()
            }
        }
    }

    /// Takes what a step is for.
    private func take(_ step: LoopThreads.Step, at place: Int, from state: inout State) -> Step {
        switch step {
        case .run:
            switch state.takeJob() {
            case .task(let job), .actor(let job): return .run(job, state.loop?.object)
            case .none: return .act([])
            case .work(let work):
                guard jobThreads == 1 || state.threads.isNarrow else {
                    return .work(LoopTurn(at: work, atMost: 1, in: self))
                }
                let turn = LoopTurn(at: work, atMost: Self.workBetweenSigns, in: self)
                state.turns.append((place, turn))
                return .work(turn)
            }
        case .serve:
            defer { state.poked = [] }
            return .serve(state.poked)
        case .act:
            defer { state.deferred = [] }
            return .act(state.deferred)
        case .glance: return .poll(milliseconds: 0)
        case .lead(let isTimed): return .poll(milliseconds: isTimed ? Self.shortWait : -1)
        case .idle: return .idle
        case .stop: return .stop
        }
    }

    /// Does work: all there is of it, but for others' turns; or one thing of it, and another thread the next one.
    ///
    /// - Returns: whether jobs are short, when that has been found out.
    private func take(_ turn: LoopTurn, on thread: LoopThread, _ pace: inout JobPace) -> Bool? {
        thread.turn = turn
        defer { thread.turn = nil }
        var areShort: Bool?, done = 0
        while true {
            let isLast = turn.most == 1 || done + turn.most >= Self.workAtOnce
            let (count, goesOn) = turn.goOn(leavingOthers: isLast)
            areShort = pace.jobsEnded(count) { .ofThisThread } ?? areShort
            // One was counted as the job that this is.
            let more = done == 0 ? count - 1 : count
            done += count
            if more > 0 { state.withLock { $0.threads.hasDone(more, at: thread.place, $0.work) } }
            guard goesOn else { return areShort }
        }
    }

    /// So much is done before others have their turn.
    private static let workAtOnce = 128
    /// And so much before the thread shows that it is not held.
    private static let workBetweenSigns = 16

    /// Calls a thread when a leader stays away or a job is left lying, or for what is left of the work of one that is held.
    ///
    /// - Returns: whether to look again; if not, whoever does something that has to be watched asks for it.
    func look() -> Bool {
        let (goesOn, helper, orders) = state.withLock { state in
            let (goesOn, helper) = state.threads.look(state.work)
            var orders = LoopThreads.Orders()
            // Another one is found at the next look.
            if let index = state.turns.firstIndex(where: { state.threads.isHeld($0.place) }) {
                let turn = state.turns.remove(at: index).turn
                turn.end()
                state.jobs.append(.work(turn.work))
                orders = state.threads.jobCame(from: nil, state.work)
            }
            return (goesOn, helper, orders)
        }
        call(helper)
        call(orders.helper)
        return goesOn || orders.mustBeWatched
    }

    /// Has `action` called when some of the jobs that wait have run, or none has begun for a while; false when hardly any
    /// wait, or nobody runs them.
    func deferred(_ action: () -> @Sendable () -> Void) -> Bool {
        let orders = state.withLock { state -> LoopThreads.Orders? in
            guard jobThreads > 0, state.work.jobs >= Self.jobsToDefer || LoopThread.haveOthersWaited(in: self) else {
                return nil
            }
            state.deferred.append(action())
            return state.threads.deferralCame()
        }
        guard let orders else { return false }
        obey(orders)
        return true
    }

    private static let jobsToDefer = 4
}

extension LoopCore.State {
    /// What there is to do for the threads of a loop with job threads.
    fileprivate var work: LoopThreads.Work {
        LoopThreads.Work(
            jobs: jobs.count - taken,
            hasTurns: !turns.isEmpty,
            hasPokes: !poked.isEmpty,
            hasDeferred: !deferred.isEmpty
        )
    }

    /// Ends the turn of the thread at `place`, if it has one.
    fileprivate mutating func endTurn(at place: Int) -> LoopTurn? {
        turns.firstIndex { $0.place == place }.map { turns.remove(at: $0).turn }
    }

    /// The job that has waited longest; there is one.
    fileprivate mutating func takeJob() -> LoopCore.QueuedJob {
        // Nothing of it stays behind, to be let go later with the lock.
        var queued = LoopCore.QueuedJob.none
        swap(&queued, &jobs[taken])
        taken += 1
        if taken == jobs.count {
            jobs.removeAll(keepingCapacity: true)
            taken = 0
        } else if taken > 1_000, taken * 2 > jobs.count {
            jobs.removeFirst(taken)
            taken = 0
        }
        return queued
    }
}

/// Which loop the current thread is one of, and which of its threads.
final class LoopThread: Sendable {
    private let core: LoopCore
    let place: Int
    /// The work it is at.
    ///
    /// Only the thread itself looks.
    nonisolated(unsafe) fileprivate(set) var turn: LoopTurn?

    init(core: LoopCore, place: Int) {
        self.core = core
        self.place = place
    }

    /// Nil when the process has no room for another one, which costs wake-ups only.
    private static let key: pthread_key_t? = {
        var key = pthread_key_t()
        return pthread_key_create(&key, nil) == 0 ? key : nil
    }()

    /// Called by the thread, which keeps this until it leaves.
    func enter() {
        if let key = Self.key { pthread_setspecific(key, Unmanaged.passUnretained(self).toOpaque()) }
    }

    /// Called by the thread before it ends.
    func leave() {
        if let key = Self.key { pthread_setspecific(key, nil) }
    }

    /// That of the current thread, if it is one of this loop's.
    static func place(in core: LoopCore) -> Int? {
        guard let key, let pointer = pthread_getspecific(key) else { return nil }
        let thread = Unmanaged<LoopThread>.fromOpaque(pointer)
        return thread._withUnsafeGuaranteedRef { $0.core === core ? $0.place : nil }
    }

    /// Whether the current thread is one of this loop's and at work of which there is more than one thing.
    static func haveOthersWaited(in core: LoopCore) -> Bool {
        guard let key, let pointer = pthread_getspecific(key) else { return false }
        let thread = Unmanaged<LoopThread>.fromOpaque(pointer)
        return thread._withUnsafeGuaranteedRef { $0.core === core && $0.turn?.haveOthersWaited == true }
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
