// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PortableClosures
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// Carries out what the broker decides.
///
/// Events come from any thread; effects are carried out one at a time, in the order in which they were decided, by
/// whichever thread finds some and nobody at it.
final class SwarmEngine: Stoppable {
    /// Starts a worker, which joins when it is ready.
    typealias Start = @Sendable (SwarmEngine, WorkerID) async throws -> Void

    private struct State {
        var broker: Broker
        var jobs = NumberTable<any SwarmJob>()
        /// Why a job failed; the broker knows no errors.
        ///
        /// By numbers, here and below: a type of keys of one's own is hashed like any struct, in twice the time.
        var errors: [UInt64: any Error] = [:]
        var workers: [UInt64: any SwarmWorker] = [:]
        /// Those that have asked for work.
        var joined: Set<UInt64> = []
        var lastWorker: UInt64 = 0
        var lastStartError: (any Error)?
        var effects: [Effect] = []
        var isCarryingOut = false
        var timer: (deadline: Duration, task: Task<Void, Never>)?
        var isClosed = false
        /// Who has joined from elsewhere.
        var machines: MachineTable
        /// Calls of theirs that are answered when the swarm ends.
        var endCalls: [UInt64: IncomingCall] = [:]
        /// Looks for machines that are silent, while there are any.
        var watch: Task<Void, Never>?

        mutating func add(_ effects: [Effect]) {
            if self.effects.isEmpty { self.effects = effects } else { self.effects += effects }
        }

        /// What is to be carried out now, by whoever asks; nothing while somebody else is at it.
        mutating func takeEffects() -> [Effect] {
            if isCarryingOut || effects.isEmpty { return [] }
            isCarryingOut = true
            defer { effects = [] }
            return effects
        }

        /// What has come in the meantime, for whoever has carried out the rest.
        mutating func takeFurtherEffects() -> [Effect] {
            isCarryingOut = false
            return takeEffects()
        }
    }

    let number: UInt64
    let system: ZProcSystem
    /// A worker with more memory than this is replaced; nil for no limit.
    private let memoryByteLimit: Int?
    private let start: Start
    /// What workers begin with that are started elsewhere; nil on threads.
    private let body: PortableClosure?
    private let machineTimeout: Duration
    private let state: Mutex<State>
    private let origin = ContinuousClock.now
    /// Settled when all who are to hear of the end have been told.
    private let end = Promise<Void>()

    /// How many bytes the items of a chunk, and their results, should not exceed.
    static let chunkByteCount = 8 << 20
    /// How many they may have at most.
    static let messageByteCount = Envelope.maximumByteCount / 2

    init(
        number: UInt64,
        system: ZProcSystem,
        limits: BrokerLimits,
        options: SwarmOptions,
        body: PortableClosure?,
        start: @escaping Start
    ) {
        self.number = number
        self.system = system
        memoryByteLimit = options.memoryPerWorker
        machineTimeout = max(.milliseconds(10), options.machineTimeout.countable)
        self.body = body
        self.start = start
        state = Mutex(State(broker: Broker(limits: limits), machines: MachineTable(limit: machineTimeout)))
    }

    /// The time of the broker's events.
    var now: Duration { .now - origin }

    // MARK: Jobs

    /// Adds a job, whose items are pulled but for a task's.
    func add(_ job: any SwarmJob, _ options: JobOptions) throws -> JobID {
        let now = now
        let (id, effects) = try state.withLock { state in
            if state.isClosed { throw SwarmError.hasEnded }
            let (id, effects) = state.broker.addJob(options, now: now)
            state.jobs.insert(job, for: id.number)
            state.add(effects)
            keepTime(&state)
            return (id, state.takeEffects())
        }
        carryOut(effects)
        return id
    }

    func cancel(_ job: JobID, _ error: any Error = CancellationError()) {
        event { state, now in
            if state.jobs[job.number] != nil, state.errors[job.number] == nil { state.errors[job.number] = error }
            return state.broker.cancel(job, now: now)
        }
    }

    func consumed(_ job: JobID, items: Int) { event { $0.broker.consumed(job, items: items, now: $1) } }
    func job(_ id: JobID) -> (any SwarmJob)? { state.withLock { $0.jobs[id.number] } }
    func progress(of id: JobID) -> JobProgress? { state.withLock { $0.broker.progress(of: id) } }

    // MARK: Workers

    func setWorkerCount(_ count: Int, force: Bool = false) {
        event { $0.broker.setWorkerCount(count, force: force, now: $1) }
    }

    var counts: (workers: Int, waiting: Int) { state.withLock { ($0.broker.workerCount, $0.broker.waitingCount) } }
    var workerCount: Int { state.withLock { $0.broker.workerCount } }
    /// Of those that are this process's own.
    var processIDs: [Int] {
        state.withLock { state in
            state.joined.compactMap { id in
                guard let worker = state.workers[id], (worker as? ProcessWorker)?.isOwn != false else { return nil }
                return worker.processID
            }
        }
    }

    /// Takes a worker in that is about to start.
    func enter(_ worker: any SwarmWorker, _ id: WorkerID) throws {
        try state.withLock { state in
            if state.isClosed { throw SwarmError.hasEnded }
            state.workers[id.number] = worker
        }
    }

    func joined(_ id: WorkerID, isOwn: Bool) {
        event { state, now in
            // It may have joined with another request, or have ended in the meantime.
            guard state.workers[id.number] != nil, state.joined.insert(id.number).inserted else { return [] }
            return state.broker.workerJoined(id, isOwn: isOwn, now: now)
        }
    }

    /// The worker that asks for something; it joins with its first request.
    func isReady(_ id: WorkerID) throws -> ProcessWorker {
        let (worker, isNew) = state.withLock { ($0.workers[id.number], !$0.joined.contains(id.number)) }
        guard let worker = worker as? ProcessWorker else { throw SwarmError.workerGone }
        if isNew { joined(id, isOwn: worker.isOwn) }
        return worker
    }

    /// A worker has ended, however that was.
    func left(_ id: WorkerID) {
        event { state, now in
            state.workers[id.number] = nil
            state.joined.remove(id.number)
            return state.broker.workerLeft(id, now: now)
        }
    }

    /// A worker's process has ended, or its initializer has failed.
    func ended(_ id: WorkerID, _ error: (any Error)?) {
        if state.withLock({ $0.joined.contains(id.number) }) { left(id) } else { failedToStart(id, error) }
    }

    // MARK: Workers of other machines

    /// Takes in a process of another machine, which joins when it has asked for work.
    func join(_ processID: Int, on machine: UInt64) throws -> (WorkerID, PortableClosure) {
        guard let body else {
            throw SwarmError(
                .notFound,
                "the swarm's workers are threads, whose items never leave the process; make its context with .processes"
            )
        }
        let now = now
        let (id, before) = try state.withLock { state in
            if state.isClosed { throw SwarmError.hasEnded }
            state.lastWorker += 1
            let id = WorkerID(state.lastWorker)
            state.workers[id.number] = ProcessWorker(id, of: self, isOwn: false)
            return (id, state.machines.joined(id, processID, on: machine, now: now))
        }
        if let before { left(before) }
        return (id, body)
    }

    /// Hears of another machine, whose workers count as lost when it is silent.
    ///
    /// - Parameters:
    ///   - machine: which.
    ///   - ended: processes of its workers that have ended.
    /// - Returns: how long it may be silent.
    /// - Throws: ``SwarmError`` when the swarm has ended, or nobody can join it.
    func heard(of machine: UInt64, ended: [Int]) throws -> Duration {
        guard body != nil else {
            throw SwarmError(
                .closed,
                "the swarm's workers are threads, whose items never leave the process; make its context with .processes"
            )
        }
        let now = now
        let gone = try state.withLock { state in
            if state.isClosed { throw SwarmError.hasEnded }
            state.machines.heard(machine, now: now)
            if state.watch == nil { state.watch = watchMachines() }
            return state.machines.ended(ended, on: machine)
        }
        for worker in gone { left(worker) }
        return machineTimeout
    }

    /// Answers a machine when the swarm has ended, which it may not learn otherwise: the process may end right after.
    func awaitsEnd(_ machine: UInt64, _ call: IncomingCall) throws {
        _ = try heard(of: machine, ended: [])
        try state.withLock { state in
            if state.isClosed { throw SwarmError.hasEnded }
            state.endCalls[machine] = call
        }
    }

    private func watchMachines() -> Task<Void, Never> {
        let pause = machineTimeout / 4
        return Task { [engine = WeakReference(self)] in
            while (try? await Task.sleep(for: pause)) != nil {
                guard let engine = engine.object, !engine.forgetSilentMachines() else { return }
            }
        }
    }

    /// Gives the workers of machines up that are not heard of.
    ///
    /// - Returns: whether there are none any more.
    private func forgetSilentMachines() -> Bool {
        let now = now
        let (gone, calls, isEmpty) = state.withLock { state in
            let gone = state.machines.expired(now: now)
            let calls = state.endCalls.filter { !state.machines.contains($0.key) }
            for machine in calls.keys { state.endCalls[machine] = nil }
            if state.machines.isEmpty { state.watch = nil }
            return (gone, calls.values, state.machines.isEmpty)
        }
        // Should the machine come back, it asks again.
        for call in calls { call.fail(SwarmError.silent, encoder: system.errorCoder) }
        if !gone.isEmpty {
            Log.swarm.warning(
                "swarm \(number) has not heard of \(gone.count) of its workers on another machine for \(machineTimeout)",
                metadata: Log.facts([.swarm: number])
            )
        }
        // The items are not to blame.
        for id in gone {
            // Should it come to itself, it finds that it has been given up.
            (worker(id) as? ProcessWorker)?.refuse()
            event { state, now in
                state.workers[id.number] = nil
                state.joined.remove(id.number)
                return state.broker.retire(id, force: true, now: now)
            }
        }
        return isEmpty
    }

    func failedToStart(_ id: WorkerID, _ error: (any Error)?) {
        if state.withLock({ $0.isClosed }) { return }
        if let error {
            Log.swarm.error(
                "worker \(id.number) of swarm \(number) could not be started: \(error)",
                metadata: Log.facts([.swarm: number, .worker: id.number, .error: error])
            )
        }
        event { state, now in
            state.workers[id.number] = nil
            if let error { state.lastStartError = error }
            return state.broker.workerFailedToStart(now: now)
        }
    }

    /// Replaces a worker that has grown too large.
    func usesMemory(_ byteCount: Int, _ id: WorkerID) {
        guard let memoryByteLimit, byteCount > memoryByteLimit else { return }
        event { $0.broker.retire(id, force: false, now: $1) }
    }

    // MARK: Work

    /// A chunk that a worker has.
    struct Work {
        let id: JobID
        let job: any SwarmJob
        /// Which of the job's items it is.
        let range: Range<Int>
    }

    /// What is known of a worker's chunks, in their order; nil for one that nobody waits for any more, or that has been
    /// taken from the worker.
    func work(_ chunks: [ChunkID], of worker: WorkerID) -> [Work?] {
        state.withLock { state in
            chunks.map { chunk in
                guard let (id, range) = state.broker.assignment(chunk, of: worker), let job = state.jobs[id.number]
                else { return nil }
                return Work(id: id, job: job, range: range)
            }
        }
    }

    /// How the chunks of a job are worked on in this process.
    func run(of job: any SwarmJob) -> ChunkRun {
        var retryDelay: ChunkRun.RetryDelay?
        if job.mayRetry { retryDelay = { attempt, error in job.retryDelay(attempt: attempt, after: error) } }
        return ChunkRun(system: system, collectsFailures: job.collectsFailures, retryDelay: retryDelay)
    }

    /// What became of chunks in another process.
    func received(_ reports: [ChunkReport], from worker: WorkerID) {
        if reports.isEmpty { return }
        let works = work(reports.map { ChunkID($0.chunk) }, of: worker)
        finished(worker, zip(reports, works).map { (ChunkID($0.chunk), end(of: $0, $1), $0.runTime) })
    }

    private func end(of report: ChunkReport, _ work: Work?) -> ChunkEnd {
        switch report.outcome {
        case .results(let results, let failures):
            if let work {
                work.job.keep(results, failures, of: work.range)
                measured(work, byteCount: results.count)
            }
            return .succeeded
        case .failed(let failure): return .failed(system.errorCoder.decode(failure.error))
        case .cancelled: return .cancelled
        case .tooLarge(let byteCount):
            guard let work else { return .cancelled }
            return isTooLarge(work) { items in "the result of \(items) has \(byteCount) bytes" }
        }
    }

    /// The items or the results of a chunk do not fit into a message: its halves are tried, or its only item has failed.
    func isTooLarge(_ work: Work, problem: (_ items: String) -> String) -> ChunkEnd {
        if work.range.count > 1 { return .tooLarge }
        let error = SwarmError(
            .tooLarge,
            "\(problem(Self.items(work.range))), of at most \(Self.messageByteCount); put large data into files",
            items: work.range
        )
        if !work.job.collectsFailures { return .failed(error) }
        work.job.keep(error, of: work.range)
        return .succeeded
    }

    /// What became of chunks of a worker, in the order in which it had them.
    func finished(_ worker: WorkerID, _ ends: [(chunk: ChunkID, end: ChunkEnd, runTime: Duration)]) {
        event { state, now in
            let finished = ends.indices.map { index in
                let (chunk, end, runTime) = ends[index], report: Report
                switch end {
                case .succeeded: report = .succeeded
                case .cancelled: report = .cancelled
                case .tooLarge: report = .tooLarge
                case .failed(let error):
                    report = .failed
                    // A worker that was given up may tell of what another one has now, and only what is told first of a
                    // chunk counts.
                    if !ends[..<index].contains(where: { $0.chunk == chunk }),
                        let (job, _) = state.broker.assignment(chunk, of: worker), state.errors[job.number] == nil
                    {
                        state.errors[job.number] = error
                    }
                }
                return FinishedChunk(chunk, report, runTime: runTime)
            }
            return state.broker.finished(worker, finished, now: now)
        }
    }

    /// Keeps chunks small enough for messages.
    func measured(_ work: Work, byteCount: Int) {
        guard byteCount > Self.chunkByteCount / 8 else { return }
        let size = max(1, Self.chunkByteCount * max(1, work.range.count) / byteCount)
        state.withLock { $0.broker.bound(work.id, chunkSize: size) }
    }

    // MARK: The end

    func stop(grace: Duration) async {
        let now = now
        let (workers, endCalls, effects, isFirst) = state.withLock { state in
            // All at once: a job that was added in between would never end.
            defer { state.isClosed = true }
            for job in state.jobs.numbers {
                if state.errors[job] == nil { state.errors[job] = SwarmError.hasEnded }
                state.add(state.broker.cancel(JobID(job), now: now))
            }
            state.timer?.task.cancel()
            state.timer = nil
            state.watch?.cancel()
            defer { state.endCalls = [:] }
            return (Array(state.workers.values), state.endCalls.values, state.takeEffects(), !state.isClosed)
        }
        carryOut(effects)
        for call in endCalls { call.fail(SwarmError.hasEnded, encoder: system.errorCoder) }
        await withDiscardingTaskGroup { group in
            for worker in workers { group.addTask { await worker.stop(grace: grace) } }
        }
        state.withLock { $0.workers = [:] }
        // It may be stopped twice, by its owner and its context; what follows must not begin before the first has done it.
        if isFirst { end.settle() } else { _ = await end.settled() }
    }

    // MARK: Events and effects

    /// Has an event change the broker, and its effects carried out.
    private func event(_ body: (inout State, Duration) -> [Effect]) {
        let now = now
        let effects = state.withLock { state -> [Effect] in
            if state.isClosed { return [] }
            state.add(body(&state, now))
            keepTime(&state)
            return state.takeEffects()
        }
        carryOut(effects)
    }

    private func keepTime(_ state: inout State) {
        guard let deadline = state.broker.nextDeadline else { return }
        if let timer = state.timer, timer.deadline <= deadline { return }
        state.timer?.task.cancel()
        let wait = max(.zero, deadline - now)
        let task = Task { [engine = WeakReference(self)] in
            guard (try? await Task.sleep(for: wait.countable)) != nil, let engine = engine.object else { return }
            engine.event { state, now in
                state.timer = nil
                return state.broker.timePassed(now: max(now, deadline))
            }
        }
        state.timer = (deadline, task)
    }

    private func carryOut(_ taken: [Effect]) {
        var effects = taken
        while !effects.isEmpty {
            for effect in effects { carryOut(effect) }
            effects = state.withLock { $0.takeFurtherEffects() }
        }
    }

    private func carryOut(_ effect: Effect) {
        switch effect {
        case .pull(let id, let count): pull(id, count)
        case .assign(let worker, let chunks): self.worker(worker)?.assign(chunks)
        case .cancel(let worker, let chunk): self.worker(worker)?.cancel(chunk)
        case .kill(let id):
            let worker = worker(id)
            worker?.kill()
            // A task goes on, and another one takes its place; a process tells of its end.
            if worker is TaskWorker { left(id) }
        case .retire(let worker): self.worker(worker)?.retire()
        case .start(let count): for _ in 0..<count { startWorker() }
        case .deliver(let id, let range, let delivery): deliver(id, range, delivery)
        case .ended(let id, let end): self.end(id, end)
        }
    }

    private func worker(_ id: WorkerID) -> (any SwarmWorker)? { state.withLock { $0.workers[id.number] } }

    private func startWorker() {
        let id = state.withLock { state in
            state.lastWorker += 1
            return WorkerID(state.lastWorker)
        }
        // Whose deadline it is that holds here does not matter to the worker.
        CallDeadline.$current.withValue(nil) {
            _ = Task {
                do { try await start(self, id) } catch { failedToStart(id, error) }
            }
        }
    }

    private func pull(_ id: JobID, _ count: Int) {
        guard let job = job(id) else { return }
        Task {
            do {
                let (count, isLast) = try await job.pull(count)
                event { $0.broker.supplied(id, count: count, isLast: isLast, now: $1) }
            } catch {
                event { state, now in
                    if state.jobs[id.number] != nil, state.errors[id.number] == nil { state.errors[id.number] = error }
                    return state.broker.inputFailed(id, now: now)
                }
            }
        }
    }

    private func deliver(_ id: JobID, _ range: Range<Int>, _ delivery: Delivery) {
        // After an error nothing follows, though more may be known.
        guard let job = state.withLock({ $0.errors[id.number] == nil ? $0.jobs[id.number] : nil }) else { return }
        let error: SwarmError
        switch delivery {
        case .results: return job.deliver(range)
        case .lost(let kills):
            error = SwarmError(
                .workerDied,
                "\(Self.items(range)) ended \(kills) workers that had nothing else, the last of them in the middle of "
                    + "the work; run it with `isolated` to see why",
                items: range
            )
        case .timedOut:
            error = SwarmError(.timedOut, "\(Self.items(range)) took longer than the map's itemTimeout", items: range)
        }
        if job.collectsFailures { job.deliver(range, lostFor: error) } else { cancel(id, error) }
    }

    private static func items(_ range: Range<Int>) -> String {
        range.count == 1 ? "item \(range.lowerBound)" : "items \(range.lowerBound) to \(range.upperBound - 1)"
    }

    private func end(_ id: JobID, _ end: JobEnd) {
        let (job, known, startError, workers) = state.withLock { state in
            let job = state.jobs.remove(id.number)
            let known = state.errors.isEmpty ? nil : state.errors.removeValue(forKey: id.number)
            // A single task's definition goes with its only chunk.
            let workers = job?.isSingle == false ? Array(state.workers.values) : []
            return (job, known, state.lastStartError, workers)
        }
        for worker in workers { worker.forget(id) }
        let error: (any Error)? =
            switch end {
            // The last chunk may have been lost.
            case .finished: known
            case .failed, .cancelled, .inputFailed: known ?? CancellationError()
            case .timedOut: SwarmError(.timedOut, "the whole took longer than its timeout")
            case .noWorkers:
                SwarmError(
                    .noWorkers,
                    "no worker of the swarm could be started"
                        + (startError.map { ": \($0)" } ?? "; resize it to try again")
                )
            }
        job?.end(error)
    }
}
