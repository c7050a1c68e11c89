// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import HeapModule

/// Hands out the chunks of jobs to workers.
///
/// A value that decides and does nothing itself: each event gives the effects to carry out, in order. It knows numbers
/// only, never items or results, and reads no clock: time comes with the events. What is told of something that is no
/// more is ignored. An event costs as much as it has effects, but for those that concern all workers.
package struct Broker: Sendable {
    struct Chunk {
        let job: JobID
        let range: Range<Int>
        /// How many workers have ended over its only item.
        var kills: Int
        /// Whether it was one of several that a worker had when it ended: it is given out alone, to be sure.
        var isSuspect = false
        /// Set when it is done and waits for its turn.
        var delivery: Delivery?
    }

    struct Job {
        let options: JobOptions
        var chunking: Chunking
        /// Those that no worker has.
        var ready: Deque<ChunkID> = []
        var isInLine = false
        /// Those that have not been delivered, in the order of the items.
        var sequence: Deque<ChunkID> = []
        /// Those that a worker has.
        var assigned: [ChunkID: WorkerID] = [:]
        /// Neither delivered nor lost yet.
        var openCount = 0
        var progress = JobProgress()
        var consumed = 0
        var isPulling = false
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
    }

    let limits: BrokerLimits
    var chunks: [ChunkID: Chunk] = [:]
    var jobs: [JobID: Job] = [:]
    var workers: [WorkerID: Worker] = [:]
    /// Jobs that have ready chunks, by priority, highest first; each level takes turns.
    var lines: [(priority: Int, jobs: Deque<JobID>)] = []
    var readyCount = 0
    /// Workers without work, and those with one message; entries may be out of date.
    var idle: Deque<WorkerID> = []
    var ahead: Deque<WorkerID> = []
    var deadlines = Heap<Deadline>()
    var taskTime: Double?
    var lastChunk: UInt64 = 0
    var lastJob: UInt64 = 0
    // What `Workforce` is about.
    var wanted = 0
    var starting = 0
    /// Starts that have failed since a new worker did something.
    var startFailures = 0
    /// No worker is started before.
    var nextStart: Duration = .zero
    var isBroken = false
    var effects: [Effect] = []

    package init(limits: BrokerLimits = BrokerLimits()) { self.limits = limits }

    // MARK: What is known

    package func range(of chunk: ChunkID) -> Range<Int>? { chunks[chunk]?.range }

    /// The job of a chunk, if it has not ended.
    package func job(of chunk: ChunkID) -> JobID? { chunks[chunk].flatMap { jobs[$0.job] == nil ? nil : $0.job } }

    /// Whether a worker has a chunk of a job that has not ended, so that its report of it counts.
    package func isAssigned(_ id: ChunkID, to worker: WorkerID) -> Bool {
        chunks[id].flatMap { jobs[$0.job]?.assigned[id] } == worker
    }

    package func progress(of job: JobID) -> JobProgress? { jobs[job]?.progress }

    /// How many workers there are, and how many of them work.
    package var workerCount: Int { workers.count }
    package var busyCount: Int { workers.values.count { !$0.chunks.isEmpty } }
    /// How many chunks wait for a worker.
    package var waitingCount: Int { readyCount }
    package var jobCount: Int { jobs.count }
    /// When `timePassed` is to be called at the latest.
    package var nextDeadline: Duration? { deadlines.min?.time }

    // MARK: Jobs

    /// Adds a job, whose items are pulled.
    package mutating func addJob(_ options: JobOptions, now: Duration) -> (JobID, [Effect]) {
        lastJob += 1
        let id = JobID(lastJob)
        jobs[id] = Job(
            options: options,
            chunking: Chunking(fixed: options.chunkSize, target: limits.chunkTime, limit: limits.chunkSize)
        )
        if isBroken {
            end(id, .noWorkers, now)
        } else {
            if let deadline = options.deadline { deadlines.insert(Deadline(time: deadline, event: .job(id))) }
            if limits.idleLimit != nil { adjustWorkers(now) }
            pull(id)
        }
        return (id, takeEffects(now))
    }

    /// The answer to `pull`: so many items, which make one chunk.
    package mutating func supplied(_ id: JobID, count: Int, isLast: Bool, now: Duration) -> [Effect] {
        guard var job = jobs[id], job.isPulling else { return [] }
        job.isPulling = false
        job.progress.isInputEnded = isLast
        if count > 0 {
            let start = job.progress.supplied
            job.progress.supplied += count
            lastChunk += 1
            let chunk = ChunkID(lastChunk)
            chunks[chunk] = Chunk(job: id, range: start..<(start + count), kills: 0)
            if job.options.isOrdered { job.sequence.append(chunk) }
            job.openCount += 1
            job.ready.append(chunk)
            readyCount += 1
        }
        jobs[id] = job
        standInLine(id)
        dispatch(now)
        pull(id)
        finishIfDone(id, now)
        return takeEffects(now)
    }

    /// The answer to `pull`: there is an error and no more items.
    package mutating func inputFailed(_ id: JobID, now: Duration) -> [Effect] {
        guard jobs[id] != nil else { return [] }
        end(id, .inputFailed, now)
        return takeEffects(now)
    }

    /// The consumer has taken the results of so many items.
    package mutating func consumed(_ id: JobID, items: Int, now: Duration) -> [Effect] {
        guard jobs[id] != nil else { return [] }
        jobs[id]?.consumed += max(0, items)
        pull(id)
        return takeEffects(now)
    }

    /// Makes the next chunks of a job no larger than this, for the sake of their size in bytes.
    package mutating func bound(_ id: JobID, chunkSize: Int) { jobs[id]?.chunking.bound(chunkSize) }

    package mutating func cancel(_ id: JobID, now: Duration) -> [Effect] {
        guard jobs[id] != nil else { return [] }
        end(id, .cancelled, now)
        return takeEffects(now)
    }

    // MARK: Work

    /// What became of a chunk; the worker goes on with the one behind it.
    package mutating func finished(
        _ workerID: WorkerID,
        _ id: ChunkID,
        _ report: Report,
        runTime: Duration,
        now: Duration
    ) -> [Effect] {
        guard var worker = workers[workerID], let place = worker.chunks.firstIndex(of: id) else { return [] }
        worker.chunks.remove(at: place)
        if let left = worker.messages.first {
            if left > 1 { worker.messages[0] = left - 1 } else { worker.messages.removeFirst() }
        }
        let chunk = chunks[id]
        // Not with everything that others do, or what fails would be started without a pause.
        let isProof = worker.isProof && !worker.hasWorked
        worker.hasWorked = true
        worker.itemCount += chunk?.range.count ?? 0
        if worker.messages.isEmpty {
            worker.idleSince = now
            if !worker.isRetiring { idle.append(workerID) }
        }
        workers[workerID] = worker
        if isProof {
            forgetStartFailures()
            adjustWorkers(now)
        }
        standAhead(workerID)
        watchHead(of: workerID, now)
        if let chunk { settle(id, chunk, report, runTime, now) }
        if let limit = limits.itemsPerWorker, worker.itemCount >= limit, !worker.isRetiring, worker.isOwn {
            workers[workerID]?.isRetiring = true
            adjustWorkers(now)
        }
        retireIfDone(workerID, now)
        dispatch(now)
        if let job = chunk?.job { pull(job) }
        return takeEffects(now)
    }

    private mutating func settle(
        _ id: ChunkID,
        _ chunk: Chunk,
        _ report: Report,
        _ runTime: Duration,
        _ now: Duration
    ) {
        guard jobs[chunk.job] != nil else {
            chunks[id] = nil
            return
        }
        jobs[chunk.job]?.assigned[id] = nil
        switch report {
        case .succeeded:
            if jobs[chunk.job]?.options.isTask == true {
                let seconds = max(0, runTime / .seconds(1))
                taskTime = taskTime.map { 0.9 * $0 + 0.1 * seconds } ?? seconds
            } else {
                jobs[chunk.job]?.chunking.measured(chunk.range.count, items: runTime)
            }
            settle(id, .results, now)
        case .failed:
            end(chunk.job, .failed(id), now)
            chunks[id] = nil
        case .cancelled:
            // Nobody has asked for that: it was its worker that was stopped.
            putBack(id)
            standInLine(chunk.job)
        case .tooLarge where chunk.range.count > 1:
            jobs[chunk.job]?.chunking.bound(chunk.range.count / 2)
            takeBack(halve(id))
        case .tooLarge:
            end(chunk.job, .failed(id), now)
            chunks[id] = nil
        }
    }

    /// Delivers what is known of a chunk, as soon as it is its turn.
    mutating func settle(_ id: ChunkID, _ delivery: Delivery, _ now: Duration) {
        guard let chunk = chunks[id], var job = jobs[chunk.job] else { return }
        job.progress.done += chunk.range.count
        if job.options.isOrdered {
            chunks[id]?.delivery = delivery
            jobs[chunk.job] = job
            deliverInOrder(chunk.job)
        } else {
            job.openCount -= 1
            jobs[chunk.job] = job
            chunks[id] = nil
            effects.append(.deliver(chunk.job, chunk.range, delivery))
        }
        finishIfDone(chunk.job, now)
    }

    private mutating func deliverInOrder(_ id: JobID) {
        while let first = jobs[id]?.sequence.first, let chunk = chunks[first], let delivery = chunk.delivery {
            jobs[id]?.sequence.removeFirst()
            jobs[id]?.openCount -= 1
            chunks[first] = nil
            effects.append(.deliver(id, chunk.range, delivery))
        }
    }

    mutating func finishIfDone(_ id: JobID, _ now: Duration) {
        guard let job = jobs[id], job.progress.isInputEnded, job.openCount == 0 else { return }
        end(id, .finished, now)
    }

    mutating func end(_ id: JobID, _ end: JobEnd, _ now: Duration) {
        guard let job = jobs.removeValue(forKey: id) else { return }
        readyCount -= job.ready.count
        for chunk in job.ready { chunks[chunk] = nil }
        for chunk in job.sequence where job.assigned[chunk] == nil { chunks[chunk] = nil }
        tidyLines()
        effects.append(.ended(id, end))
        for (chunk, worker) in job.assigned {
            effects.append(.cancel(worker, chunk))
            // One that has a time for its items keeps it.
            if job.options.itemTimeout == nil, workers[worker]?.chunks.first == chunk {
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
