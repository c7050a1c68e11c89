// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProcCore

/// Carries out what a broker decides, in time that is only thought, and checks on the way what must always hold.
struct BrokerShell {
    struct Job {
        var options: JobOptions
        /// How many items the input has; nil for no end.
        var inputCount: Int?
        var supplied = 0
        var isPulling = false
        /// Items that came out, in the order in which they did.
        var delivered: [Int] = []
        var lost: [Range<Int>] = []
        var consumed = 0
        var end: JobEnd?
    }

    struct Worker {
        var chunks: [ChunkID] = []
        /// When the first of them will be done.
        var doneAt: Duration?
        var isOwn = true
    }

    var broker: Broker
    var now: Duration = .zero
    var jobs: [JobID: Job] = [:]
    var workers: [WorkerID: Worker] = [:]
    var pulls: [(JobID, Int)] = []
    var starts = 0
    var cancelled: Set<ChunkID> = []
    var messageCount = 0
    var chunkCount = 0
    var largestBatch = 0
    /// How long the chunk took that was done last.
    var lastTime: Duration = .zero
    /// Chunks that a worker is just telling of.
    private var told: Set<ChunkID> = []
    /// Chunks that workers have been done with.
    var done: [ChunkID] = []
    var retired: [WorkerID] = []
    var killed: [WorkerID] = []
    /// Jobs that something was delivered of since they were looked at.
    private var unconsumed: [JobID] = []
    private var lastWorker: UInt64 = 0
    /// How long an item takes.
    var cost: (Int) -> Duration = { _ in .milliseconds(1) }
    /// How long a message is on its way.
    var handOver: Duration = .zero

    init(_ limits: BrokerLimits = BrokerLimits()) { broker = Broker(limits: limits) }

    // MARK: Events

    mutating func add(_ options: JobOptions = JobOptions(), inputCount: Int?) -> JobID {
        let (id, effects) = broker.addJob(options, now: now)
        jobs[id] =
            options.isTask
            ? Job(options: options, inputCount: 1, supplied: 1) : Job(options: options, inputCount: inputCount)
        carryOut(effects)
        return id
    }

    mutating func join(isOwn: Bool = false) -> WorkerID {
        lastWorker += 1
        let id = WorkerID(lastWorker)
        workers[id] = Worker(isOwn: isOwn)
        carryOut(broker.workerJoined(id, isOwn: isOwn, now: now))
        return id
    }

    mutating func leave(_ id: WorkerID) {
        workers[id] = nil
        carryOut(broker.workerLeft(id, now: now))
    }

    /// Lets time go by.
    mutating func pass(to time: Duration) {
        now = max(now, time)
        carryOut(broker.timePassed(now: now))
    }

    mutating func failToStart() {
        starts -= 1
        carryOut(broker.workerFailedToStart(now: now))
    }

    /// The first chunks of a worker are done, and it tells of them together.
    mutating func finishHead(of id: WorkerID, _ report: Report = .succeeded, count: Int = 1) {
        guard let chunks = workers[id]?.chunks.prefix(count), !chunks.isEmpty else { return }
        workers[id]?.chunks.removeFirst(chunks.count)
        workers[id]?.doneAt = nil
        startHead(of: id, after: .zero)
        let finished = chunks.map { chunk in
            lastTime = broker.range(of: chunk).map { $0.reduce(.zero) { $0 + cost($1) } } ?? .zero
            done.append(chunk)
            let isCancelled = cancelled.remove(chunk) != nil
            return FinishedChunk(chunk, isCancelled ? .cancelled : report, runTime: lastTime)
        }
        told = Set(chunks)
        carryOut(broker.finished(id, finished, now: now))
        told = []
        cancelled.subtract(chunks)
    }

    mutating func supply(_ index: Int, short: Int? = nil) {
        let (id, wanted) = pulls.remove(at: index)
        guard var job = jobs[id] else { return }
        let left = job.inputCount.map { $0 - job.supplied } ?? .max
        let count = min(wanted, left, short ?? .max)
        job.isPulling = false
        job.supplied += count
        jobs[id] = job
        carryOut(broker.supplied(id, count: count, isLast: left == count, now: now))
    }

    mutating func supplyAll() { while !pulls.isEmpty { supply(0) } }

    mutating func consumeAll() {
        let jobs = unconsumed
        unconsumed = []
        for id in jobs { consume(id) }
    }

    mutating func consume(_ id: JobID, _ count: Int? = nil) {
        guard let job = jobs[id], job.end == nil else { return }
        let out = job.delivered.count + job.lost.reduce(0) { $0 + $1.count }
        let items = min(count ?? .max, out - job.consumed)
        guard items > 0 else { return }
        jobs[id]?.consumed += items
        carryOut(broker.consumed(id, items: items, now: now))
    }

    /// Lets the next chunk be done; false when none runs.
    mutating func step() -> Bool {
        guard
            let (id, worker) = workers.filter({ $0.value.doneAt != nil }).min(by: { left, right in
                (left.value.doneAt ?? .zero, left.key.number) < (right.value.doneAt ?? .zero, right.key.number)
            }), let time = worker.doneAt
        else { return false }
        now = max(now, time)
        finishHead(of: id)
        return true
    }

    /// Runs until nothing runs any more.
    mutating func run() {
        repeat {
            supplyAll()
            consumeAll()
        } while step() || !pulls.isEmpty
    }

    private mutating func startHead(of id: WorkerID, after delay: Duration) {
        guard let chunk = workers[id]?.chunks.first else { return }
        let time = broker.range(of: chunk).map { $0.reduce(Duration.zero) { $0 + cost($1) } } ?? .zero
        workers[id]?.doneAt = now + delay + time
    }

    // MARK: Effects

    mutating func carryOut(_ effects: [Effect]) {
        let before = killed.count
        for effect in effects {
            switch effect {
            case .pull(let id, let count):
                #expect(jobs[id]?.end == nil)
                #expect(jobs[id]?.options.isTask != true, "the only item of a task is asked for")
                #expect(jobs[id]?.isPulling != true, "a job pulls twice at a time")
                #expect(count > 0)
                jobs[id]?.isPulling = true
                pulls.append((id, count))
            case .assign(let id, let chunks):
                messageCount += 1
                chunkCount += chunks.count
                largestBatch = max(largestBatch, chunks.count)
                #expect(!chunks.isEmpty)
                for chunk in chunks {
                    #expect(!workers.values.contains { $0.chunks.contains(chunk) }, "two workers have a chunk")
                    #expect(broker.job(of: chunk) != nil, "a chunk of a job that has ended")
                }
                #expect(workers[id] != nil)
                let wasIdle = workers[id]?.chunks.isEmpty == true
                workers[id]?.chunks += chunks
                if wasIdle { startHead(of: id, after: handOver) }
            case .cancel(let id, let chunk):
                // One whose time is up may be ended right before another of its chunks is cancelled, and a chunk may have
                // been told of with the one that ended its job.
                #expect(
                    workers[id]?.chunks.contains(chunk) == true || killed[before...].contains(id)
                        || told.contains(chunk)
                )
                cancelled.insert(chunk)
            case .kill(let id):
                killed.append(id)
                leave(id)
            case .deliver(let id, let range, let delivery): deliver(id, range, delivery)
            case .ended(let id, let end):
                #expect(jobs[id]?.end == nil, "a job ends twice")
                jobs[id]?.end = end
                pulls.removeAll { $0.0 == id }
                // Its result comes with its end, if it has any.
                if end == .finished, let job = jobs[id], job.options.isTask, job.lost == [] {
                    jobs[id]?.delivered = [0]
                }
                if end == .finished, let job = jobs[id], let count = job.inputCount {
                    let out = (job.delivered + job.lost.flatMap { $0 }).sorted()
                    #expect(out == Array(0..<count), "items are lost or come twice")
                }
            case .start(let count): starts += count
            case .retire(let id):
                #expect(workers[id]?.chunks.isEmpty == true, "a worker with work is let go")
                workers[id] = nil
                retired.append(id)
            }
        }
    }

    private mutating func deliver(_ id: JobID, _ range: Range<Int>, _ delivery: Delivery) {
        #expect(jobs[id]?.end == nil, "something comes after the end")
        unconsumed.append(id)
        if case .results = delivery {
            jobs[id]?.delivered += Array(range)
        } else {
            jobs[id]?.lost.append(range)
        }
        if jobs[id]?.options.isOrdered == true, let job = jobs[id] {
            let out = job.delivered.count + job.lost.reduce(0) { $0 + $1.count }
            #expect(range.upperBound == out, "the order of the items is not kept")
        }
    }

    /// What holds after every event.
    func check() {
        let waiting = broker.waitingCount
        if waiting > 0 {
            for (id, worker) in workers {
                #expect(!worker.chunks.isEmpty, "worker \(id.number) idles, \(waiting) wait")
            }
        }
        for (_, job) in jobs where job.end == nil {
            if let window = job.options.window {
                #expect(job.supplied - job.consumed <= max(1, window))
            }
        }
    }
}
