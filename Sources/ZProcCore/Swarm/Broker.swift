// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import HeapModule

/// Hands out the chunks of jobs to workers.
///
/// A value that decides and does nothing itself: each event gives the effects to carry out, in order. It knows numbers
/// only, never items or results, and reads no clock: time comes with the events. What is told of something that is no
/// more is ignored. An event costs as much as it has effects, but for those that concern all workers, and for looking
/// through the chunks of its job that workers have.
package struct Broker: Sendable {
    struct Chunk {
        let job: JobID
        let range: Range<Int>
        /// How many workers have ended over its only item.
        var kills: Int
        /// Whether it was one of several that a worker had when it ended: it is given out alone, to be sure.
        var isSuspect = false
        /// Who has it.
        var worker: WorkerID?
        /// Set when it is done and waits for its turn.
        var delivery: Delivery?
    }

    struct Job {
        let options: JobOptions
        var chunking: Chunking
        /// Those that no worker has.
        var ready = ChunkLine()
        var isInLine = false
        /// Those that have not been delivered, in the order of the items.
        var sequence: Deque<ChunkID> = []
        /// Those that a worker has, in the order in which they were given out: a few for each worker.
        var assigned = ChunkLine()
        /// Neither delivered nor lost yet.
        var openCount = 0
        var progress = JobProgress()
        var consumed = 0
        var isPulling = false

        var mayPull: Bool { !isPulling && !progress.isInputEnded }
        var mustStandInLine: Bool { !ready.isEmpty && !isInLine }
        var isDone: Bool { progress.isInputEnded && openCount == 0 }

        mutating func add(_ chunk: ChunkID, of count: Int) {
            progress.supplied += count
            if options.isOrdered { sequence.append(chunk) }
            openCount += 1
            ready.append(chunk)
        }
    }

    struct Worker {
        let isOwn: Bool
        /// What it has; it works on the first.
        var chunks: Deque<ChunkID> = []
        /// How many chunks of each message are left.
        var messages: Deque<Int> = []
        var isRetiring = false
        /// Whether it stands in the line of those with one message.
        var isInLine = false
        var itemCount = 0
        var hasWorked = false
        /// Whether it has come after others failed to: when it does something, starts are as good as before.
        var isProof = false
        var idleSince: Duration

        /// It has done one of its chunks.
        ///
        /// - Returns: whether that shows that workers can be started again. Not everything that others do does, or what
        ///   fails would be started without a pause.
        mutating func finished(_ place: Int, of itemCount: Int, now: Duration) -> Bool {
            chunks.remove(at: place)
            if let left = messages.first {
                if left > 1 { messages[0] = left - 1 } else { messages.removeFirst() }
            }
            if messages.isEmpty { idleSince = now }
            self.itemCount += itemCount
            defer { hasWorked = true }
            return isProof && !hasWorked
        }
    }

    let limits: BrokerLimits
    /// The limits' times in seconds.
    let batchTime: Double, waitingTime: Double
    var chunks = SlotTable<ChunkID, Chunk>(blank: Chunk(job: JobID(0), range: 0..<0, kills: 0))
    var jobs = SlotTable<JobID, Job>(
        blank: Job(options: JobOptions(), chunking: Chunking(fixed: 1, target: .zero, limit: 1))
    )
    var workers = WorkerTable()
    /// Jobs that have ready chunks, by priority, highest first; each level takes turns.
    var lines: [(priority: Int, jobs: Deque<JobID>)] = []
    var readyCount = 0
    /// Workers without work, and those with one message; entries may be out of date.
    var idle: Deque<WorkerID> = []
    var ahead: Deque<WorkerID> = []
    var deadlines = Heap<Deadline>()
    var taskTime: Double?
    // What `Workforce` is about.
    var wanted = 0
    var starting = 0
    /// Starts that have failed since a new worker did something.
    var startFailures = 0
    /// No worker is started before.
    var nextStart: Duration = .zero
    /// Whether there is a deadline for that.
    var isStartAwaited = false
    var isBroken = false
    var effects: [Effect] = []

    package init(limits: BrokerLimits = BrokerLimits()) {
        self.limits = limits
        batchTime = limits.batchTime / .seconds(1)
        waitingTime = limits.waitingTime / .seconds(1)
    }

    // MARK: What is known

    package func range(of chunk: ChunkID) -> Range<Int>? { chunks[chunk]?.range }

    /// The job of a chunk, if it has not ended.
    package func job(of chunk: ChunkID) -> JobID? { chunks[chunk].flatMap { jobs.contains($0.job) ? $0.job : nil } }

    /// Which items of which job a chunk has that a worker has.
    ///
    /// Nil when it does not have it or the job has ended, and what it reports does not count.
    package func assignment(_ id: ChunkID, of worker: WorkerID) -> (job: JobID, items: Range<Int>)? {
        guard let chunk = chunks[id], chunk.worker == worker, jobs.contains(chunk.job) else { return nil }
        return (chunk.job, chunk.range)
    }

    package func progress(of job: JobID) -> JobProgress? { jobs.read(job) { $0.progress } }

    /// How many workers there are, and how many of them work.
    package var workerCount: Int { workers.count }
    package var busyCount: Int { workers.count { !$0.chunks.isEmpty } }
    /// How many chunks wait for a worker.
    package var waitingCount: Int { readyCount }
    package var jobCount: Int { jobs.count }
    /// When `timePassed` is to be called at the latest.
    package var nextDeadline: Duration? { deadlines.min?.time }

    // MARK: Jobs

    /// Adds a job, whose items are pulled; the only item of a task is there at once.
    package mutating func addJob(_ options: JobOptions, now: Duration) -> (JobID, [Effect]) {
        let id = jobs.add(
            Job(
                options: options,
                chunking: Chunking(fixed: options.chunkSize, target: limits.chunkTime, limit: limits.chunkSize)
            )
        )
        if isBroken {
            end(id, .noWorkers, now)
        } else {
            if let deadline = options.deadline { deadlines.insert(Deadline(time: deadline, event: .job(id))) }
            if limits.idleLimit != nil { adjustWorkers(now) }
            if options.isTask { take(1, isLast: true, into: id, now) } else { pull(id) }
        }
        return (id, takeEffects(now))
    }

    /// The answer to `pull`: so many items, which make one chunk.
    package mutating func supplied(_ id: JobID, count: Int, isLast: Bool, now: Duration) -> [Effect] {
        guard jobs.read(id, { $0.isPulling }) == true else { return [] }
        take(count, isLast: isLast, into: id, now)
        pull(id)
        finishIfDone(id, now)
        return takeEffects(now)
    }

    private mutating func take(_ count: Int, isLast: Bool, into id: JobID, _ now: Duration) {
        guard let start = jobs.read(id, { $0.progress.supplied }) else { return }
        jobs.change(id) { job in
            job.isPulling = false
            job.progress.isInputEnded = isLast
        }
        if count > 0 {
            let chunk = chunks.add(Chunk(job: id, range: start..<(start + count), kills: 0))
            jobs.change(id) { $0.add(chunk, of: count) }
            readyCount += 1
        }
        standInLine(id)
        dispatch(now)
    }

    /// The answer to `pull`: there is an error and no more items.
    package mutating func inputFailed(_ id: JobID, now: Duration) -> [Effect] {
        guard jobs.contains(id) else { return [] }
        end(id, .inputFailed, now)
        return takeEffects(now)
    }

    /// The consumer has taken the results of so many items.
    package mutating func consumed(_ id: JobID, items: Int, now: Duration) -> [Effect] {
        guard jobs.contains(id) else { return [] }
        jobs.change(id) { $0.consumed += max(0, items) }
        pull(id)
        return takeEffects(now)
    }

    /// Makes the next chunks of a job no larger than this, for the sake of their size in bytes.
    package mutating func bound(_ id: JobID, chunkSize: Int) {
        jobs.change(id) { $0.chunking.bound(chunkSize) }
    }

    package mutating func cancel(_ id: JobID, now: Duration) -> [Effect] {
        guard jobs.contains(id) else { return [] }
        end(id, .cancelled, now)
        return takeEffects(now)
    }

    // MARK: Work

    /// What became of chunks of a worker, in the order in which it had them; it goes on with the one behind them.
    package mutating func finished(_ worker: WorkerID, _ finished: [FinishedChunk], now: Duration) -> [Effect] {
        // Mostly several of the same job.
        var known: [JobID] = []
        var isAny = false
        for finished in finished {
            let (isKnown, chunk) = take(finished.id, from: worker, now)
            guard isKnown else { continue }
            isAny = true
            guard let chunk else { continue }
            settle(finished.id, chunk, finished.report, finished.runTime, now)
            if jobs.contains(chunk.job), known.last != chunk.job { known.append(chunk.job) }
        }
        guard isAny else { return [] }
        if workers.read(worker, { $0.messages.isEmpty && !$0.isRetiring }) == true { idle.append(worker) }
        standAhead(worker)
        watchHead(of: worker, now)
        if let limit = limits.itemsPerWorker,
            workers.read(worker, { $0.itemCount >= limit && !$0.isRetiring && $0.isOwn }) == true
        {
            workers.change(worker) { $0.isRetiring = true }
            adjustWorkers(now)
        }
        retireIfDone(worker, now)
        dispatch(now)
        for job in known { pull(job) }
        return takeEffects(now)
    }

    /// Takes a chunk that is done from its worker.
    ///
    /// - Returns: whether the worker had it, and the chunk, if somebody still waits for it.
    private mutating func take(_ id: ChunkID, from worker: WorkerID, _ now: Duration) -> (Bool, Chunk?) {
        guard let place = workers.read(worker, { $0.chunks.firstIndex(of: id) }) ?? nil else { return (false, nil) }
        let chunk = chunks[id]
        let isProof = workers.change(worker) { $0.finished(place, of: chunk?.range.count ?? 0, now: now) }
        if isProof == true {
            forgetStartFailures()
            adjustWorkers(now)
        }
        return (true, chunk)
    }

    private mutating func settle(
        _ id: ChunkID,
        _ chunk: Chunk,
        _ report: Report,
        _ runTime: Duration,
        _ now: Duration
    ) {
        guard jobs.contains(chunk.job) else {
            chunks.remove(id)
            return
        }
        if report == .succeeded, jobs.read(chunk.job, { $0.options.isTask }) == true {
            return finishTask(id, chunk, runTime, now)
        }
        release(id, of: chunk.job)
        switch report {
        case .succeeded:
            jobs.change(chunk.job) { $0.chunking.measured(chunk.range.count, items: runTime) }
            settle(id, .results, now)
        case .failed:
            end(chunk.job, .failed(id), now)
            chunks.remove(id)
        case .cancelled:
            // Nobody has asked for that: it was its worker that was stopped.
            putBack(id)
            standInLine(chunk.job)
        case .tooLarge where chunk.range.count > 1:
            jobs.change(chunk.job) { $0.chunking.bound(chunk.range.count / 2) }
            takeBack(halve(id))
        case .tooLarge:
            end(chunk.job, .failed(id), now)
            chunks.remove(id)
        }
    }

    /// Ends a task, whose only chunk this is, in fewer steps than other jobs take: it stands in no line.
    private mutating func finishTask(_ id: ChunkID, _ chunk: Chunk, _ runTime: Duration, _ now: Duration) {
        let (seconds, attoseconds) = runTime.components
        let time = max(0, Double(seconds) + Double(attoseconds) * 1e-18)
        taskTime = taskTime.map { 0.9 * $0 + 0.1 * time } ?? time
        chunks.remove(id)
        jobs.remove(chunk.job)
        effects.append(.ended(chunk.job, .finished))
        if jobs.isEmpty, limits.idleLimit != nil { watchIdleWorkers(now) }
    }

    /// Delivers what is known of a chunk, as soon as it is its turn.
    mutating func settle(_ id: ChunkID, _ delivery: Delivery, _ now: Duration) {
        guard let chunk = chunks[id], let isOrdered = jobs.read(chunk.job, { $0.options.isOrdered }) else { return }
        jobs.change(chunk.job) { $0.progress.done += chunk.range.count }
        if isOrdered {
            chunks.change(id) { $0.delivery = delivery }
            deliverInOrder(chunk.job)
        } else {
            jobs.change(chunk.job) { $0.openCount -= 1 }
            chunks.remove(id)
            effects.append(.deliver(chunk.job, chunk.range, delivery))
        }
        finishIfDone(chunk.job, now)
    }

    private mutating func deliverInOrder(_ id: JobID) {
        while let first = jobs.read(id, { $0.sequence.first }) ?? nil, let chunk = chunks[first],
            let delivery = chunk.delivery
        {
            jobs.change(id) { job in
                job.sequence.removeFirst()
                job.openCount -= 1
            }
            chunks.remove(first)
            effects.append(.deliver(id, chunk.range, delivery))
        }
    }

    /// No worker has the chunk any more.
    mutating func release(_ id: ChunkID, of job: JobID) {
        chunks.change(id) { $0.worker = nil }
        jobs.change(job) { $0.assigned.remove(id) }
    }

    mutating func finishIfDone(_ id: JobID, _ now: Duration) {
        guard jobs.read(id, { $0.isDone }) == true else { return }
        end(id, .finished, now)
    }

    mutating func end(_ id: JobID, _ end: JobEnd, _ now: Duration) {
        guard let job = jobs.remove(id) else { return }
        readyCount -= job.ready.count
        job.ready.forEach { chunks.remove($0) }
        for chunk in job.sequence where chunks[chunk]?.worker == nil { chunks.remove(chunk) }
        tidyLines()
        effects.append(.ended(id, end))
        job.assigned.forEach { chunk in
            guard let worker = chunks[chunk]?.worker else { return }
            effects.append(.cancel(worker, chunk))
            // One that has a time for its items keeps it.
            if job.options.itemTimeout == nil, workers.read(worker, { $0.chunks.first == chunk }) == true {
                watchCancelled(chunk, worker, now)
            }
        }
        if jobs.isEmpty, limits.idleLimit != nil { watchIdleWorkers(now) }
    }

    mutating func takeEffects(_ now: Duration) -> [Effect] {
        forgetOldDeadlines()
        defer { effects = [] }
        return effects
    }
}
