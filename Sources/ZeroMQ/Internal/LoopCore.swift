// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Glibc
internal import Synchronization
internal import WeakReferences

/// The part of a socket loop that its thread holds on to: the jobs, the descriptors to wait for, and the sleep.
///
/// Descriptors, the wake-up one too, are registered edge-triggered. For the wake-up this means that it is never read:
/// each write is an edge. For a socket, libzmq writes to its descriptor only after all commands have been processed,
/// which is the state in which a waiter is left behind (see ``SocketCore``); so no edge is missed and none repeats.
final class LoopCore: Sendable {
    enum QueuedJob {
        case task(UnownedJob), actor(UnownedJob)
        /// One or more things to do, for loops with job threads.
        case work(LoopWork)
        /// One that has been taken.
        case none
    }

    struct State: ~Copyable {
        var jobs: [QueuedJob] = []
        /// How many jobs at the front have been taken.
        var taken = 0
        /// What the threads do; the one thread of a loop without job threads is always its leader.
        var threads: LoopThreads
        /// What is to be done after some of the jobs, such as sending together what they have to send.
        var deferred: [@Sendable () -> Void] = []
        /// Sockets to be served although their descriptor will not say so.
        var poked: [SocketCore] = []
        var loop: WeakReference<SocketLoop>?
        /// The threads that do all of some work, for which nobody else is called.
        var turns: [(place: Int, turn: LoopTurn)] = []
    }

    let state: Mutex<State>
    /// How many jobs run at once besides the waiting; 0 for a loop whose one thread does both.
    let jobThreads: Int
    /// Threads with nothing to do sleep on this.
    let idle: Semaphore
    /// Looks whether the threads go on; nil where one thread does both.
    let watch: LoopWatch?
    private let sources = Mutex(SourceTable())
    private let lastKey = Atomic<UInt64>(wakeUpKey)
    private let poller: Int32
    private let wakeUp: Int32
    private let thread = Atomic<UInt>(0)
    /// Set once in `init`, read only afterwards.
    nonisolated(unsafe) private(set) var actorExecutor: LoopActorExecutor!

    /// The key of the wake-up descriptor; sockets have others.
    private static let wakeUpKey: UInt64 = 0

    init(jobThreads: Int) throws(ZeroMQError) {
        self.jobThreads = jobThreads
        state = Mutex(State(threads: LoopThreads(most: jobThreads)))
        idle = Semaphore()
        watch = jobThreads > 0 ? try LoopWatch.shared() : nil
        poller = epoll_create1(Int32(EPOLL_CLOEXEC))
        let pollerError = errno
        wakeUp = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        let wakeUpError = errno
        actorExecutor = LoopActorExecutor(core: self)
        if poller == -1 { throw ZeroMQError(pollerError, while: "open a poller for a socket loop") }
        if wakeUp == -1 { throw ZeroMQError(wakeUpError, while: "open a wake-up descriptor for a socket loop") }
        if let number = add(wakeUp, key: Self.wakeUpKey) {
            throw ZeroMQError(number, while: "watch the wake-up descriptor of a socket loop")
        }
    }

    deinit {
        if poller != -1 { close(poller) }
        if wakeUp != -1 { close(wakeUp) }
    }

    /// Names the object that tasks know as their executor.
    func attach(_ loop: SocketLoop) {
        state.withLock { $0.loop = WeakReference(loop) }
    }

    // MARK: Jobs

    func enqueue(_ job: QueuedJob) {
        if jobThreads > 0 { return enqueueForThreads(job) }
        let mustWake = state.withLock { state in
            state.jobs.append(job)
            return state.threads.wakeLeader()
        }
        if mustWake { wake() }
    }

    /// Has the thread serve a socket soon: a call on it may have swallowed the signal for what lies there.
    func poke(_ socket: SocketCore) {
        let mustWake = state.withLock { state in
            if !state.poked.contains(where: { $0 === socket }) { state.poked.append(socket) }
            return state.threads.wakeLeader()
        }
        if mustWake { wake() }
    }

    /// Ends the thread when it has run all jobs.
    func stop() {
        let (mustWake, idling) = state.withLock { $0.threads.stop() }
        if mustWake { wake() }
        for _ in 0..<idling { idle.signal() }
    }

    var isCurrentThread: Bool {
        thread.load(ordering: .relaxed) == UInt(pthread_self())
    }

    func wake() {
        // Cannot fail but by overflow, after 2^64 wake-ups.
        eventfd_write(wakeUp, 1)
    }

    // MARK: Sockets

    /// A key that no other source has.
    func makeKey() -> UInt64 { lastKey.add(1, ordering: .relaxed).newValue }

    /// What the thread is to be told of a descriptor.
    enum Interest {
        /// libzmq has begun to signal.
        case signals
        /// libzmq has begun to signal or taken a signal in, whichever thread made it do so.
        ///
        /// The descriptor is an eventfd, always writable: with that asked for too, each write and each read of it is
        /// reported, even if the signal has gone by the time the thread looks.
        case signalsAndReads
        /// Something has come, or the other side has closed.
        case data
        /// That, or there is room again for what is to be sent.
        case dataAndRoom

        fileprivate var events: UInt32 {
            switch self {
            case .signals: EPOLLIN.rawValue | EPOLLET.rawValue
            case .signalsAndReads: EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLET.rawValue
            case .data: EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
            case .dataAndRoom: EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLOUT.rawValue | EPOLLET.rawValue
            }
        }
    }

    /// Watches a descriptor until ``unregister(_:)``; reports at once what is ready already.
    func register(_ source: any LoopSource, for interest: Interest = .signals) -> ErrorNumber {
        sources.withLock { $0.insert(source) }
        guard let number = add(source.descriptor, key: source.key, interest) else { return 0 }
        sources.withLock { $0.remove(source.key) }
        return number
    }

    /// Changes what is reported; reports at once what is ready already.
    func change(_ interest: Interest, in source: any LoopSource) -> ErrorNumber {
        var event = epoll_event()
        event.events = interest.events
        event.data.u64 = source.key
        return epoll_ctl(poller, EPOLL_CTL_MOD, source.descriptor, &event) == 0 ? 0 : errno
    }

    func unregister(_ source: any LoopSource) {
        epoll_ctl(poller, EPOLL_CTL_DEL, source.descriptor, nil)
        sources.withLock { $0.remove(source.key) }
    }

    private func add(_ descriptor: Int32, key: UInt64, _ interest: Interest = .signals) -> ErrorNumber? {
        var event = epoll_event()
        event.events = interest.events
        event.data.u64 = key
        return epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) == 0 ? nil : errno
    }

    // MARK: Thread

    func startThread() throws(ZeroMQError) {
        let result = startDetachedThread { self.run() }
        if result != 0 { throw ZeroMQError(result, while: "start the thread of a socket loop") }
    }

    private func run() {
        if jobThreads > 0 { return runAsOneOfMany() }
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        czeromq_name_current_thread("zproc-io")
        var batch: [QueuedJob] = []
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var poked: [SocketCore] = []
        while true {
            let isStopping = state.withLock { state in
                swap(&state.jobs, &batch)
                swap(&state.poked, &poked)
                state.threads.isLeaderAsleep = batch.isEmpty && poked.isEmpty && !state.threads.isStopping
                return state.threads.isStopping
            }
            for socket in poked { socket.serve() }
            if !batch.isEmpty || !poked.isEmpty {
                poked.removeAll(keepingCapacity: true)
                run(&batch)
                // Sockets take turns with jobs that keep coming; without new jobs, the sleep looks at them anyway.
                if hasJobs { poll(into: &events, timeout: 0) }
            } else if isStopping {
                return
            } else {
                poll(into: &events, timeout: -1)
            }
        }
    }

    private var hasJobs: Bool {
        state.withLock { !$0.jobs.isEmpty || !$0.poked.isEmpty }
    }

    private func run(_ batch: inout [QueuedJob]) {
        let loop = state.withLock { $0.loop?.object }
        let actorExecutor = actorExecutor.asUnownedSerialExecutor()
        for queued in batch {
            switch queued {
            case .task(let job):
                if let loop {
                    job.runSynchronously(on: loop.asUnownedTaskExecutor())
                } else {
                    job.runSynchronously(on: actorExecutor)
                }
            case .actor(let job): job.runSynchronously(on: actorExecutor)
            // Only job threads have these.
            case .work, .none: break
            }
        }
        batch.removeAll(keepingCapacity: true)
    }

    func poll(into events: inout [epoll_event], timeout: Int32, beforeServing: () -> Void = {}) {
        let count = epoll_wait(poller, &events, Int32(events.count), timeout)
        if timeout != 0 { state.withLock { $0.threads.isLeaderAsleep = false } }
        guard count > 0 else { return }
        beforeServing()
        for index in 0..<Int(count) where events[index].data.u64 != Self.wakeUpKey {
            let key = events[index].data.u64
            // It may have been closed since.
            sources.withLock { $0[key] }?.serve(LoopEvents(rawValue: events[index].events))
        }
    }
}
