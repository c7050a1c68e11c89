// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Names a worker of a broker.
package struct WorkerID: Hashable, Sendable {
    package let number: UInt64
    package init(_ number: UInt64) { self.number = number }
}

/// Names a job of a broker.
package struct JobID: Hashable, SlotID {
    package let number: UInt64
    package init(_ number: UInt64) { self.number = number }
}

/// Names a chunk of a job.
package struct ChunkID: Hashable, SlotID {
    package let number: UInt64
    package init(_ number: UInt64) { self.number = number }
}

/// What a job is, beside its items.
package struct JobOptions: Sendable {
    /// Chunks of jobs with a higher one go first.
    package var priority = 0
    /// Whether chunks are delivered in the order of the items, or as they are done.
    package var isOrdered = true
    /// How many items a chunk has; nil to go by what they cost.
    package var chunkSize: Int?
    /// How many items there are, where that is known.
    package var count: Int?
    /// How many workers an item may end that had nothing else.
    package var maximumKills = 3
    /// How long an item may take; a chunk of many has as many times that.
    package var itemTimeout: Duration?
    /// When the whole job must have ended, on the clock of the events.
    package var deadline: Duration?
    /// How many items may be on their way from input to consumer; nil for what keeps the workers busy.
    package var window: Int?
    /// Whether it is one task, whose only item is there at once; its cost tells something of that of other tasks.
    package var isTask = false

    package init() {}
}

/// What a broker is bounded by.
package struct BrokerLimits: Sendable {
    /// How long a chunk is to run.
    package var chunkTime: Duration = .milliseconds(20)
    /// How many items a chunk has at most.
    package var chunkSize = 65_536
    /// How long the chunks of one message are to run, when they are cheap enough to go together.
    package var batchTime: Duration = .milliseconds(1)
    /// How many chunks go in one message at most.
    package var batchSize = 256
    /// Chunks that run for longer wait here, not behind another one at a worker.
    package var waitingTime: Duration = .milliseconds(50)
    /// How many times its share of items in work may be on their way, by each worker.
    package var windowChunks = 8
    /// How long a worker may have nothing to do before it ends; nil for ever.
    package var idleLimit: Duration?
    /// How many workers stay, however long they have nothing to do.
    package var minimumWorkers = 0
    /// How long a cancelled chunk may go on before its worker is ended, when there is no time for its items.
    package var cancelGrace: Duration = .seconds(10)
    /// How many items a worker works on before another takes its place; nil for no end.
    package var itemsPerWorker: Int?
    /// How many starts may fail in a row when no worker lives.
    package var maximumStartFailures = 5
    /// How long to wait after a start that failed; twice as long after each further one, up to the maximum.
    package var startPause: Duration = .milliseconds(20)
    package var maximumStartPause: Duration = .seconds(5)

    package init() {}
}

/// What a worker says of a chunk.
package enum Report: Sendable {
    case succeeded
    /// The job has failed of it.
    case failed
    case cancelled
    /// Its items or results do not fit into a message: its halves may.
    case tooLarge
}

/// A chunk that a worker is done with.
package struct FinishedChunk: Sendable {
    package let id: ChunkID
    package let report: Report
    /// How long it ran.
    package let runTime: Duration

    package init(_ id: ChunkID, _ report: Report, runTime: Duration) {
        self.id = id
        self.report = report
        self.runTime = runTime
    }
}

/// What is to be carried out, in order.
package enum Effect: Hashable, Sendable {
    /// Take so many items from the input, and answer with `supplied` or `inputFailed`.
    case pull(JobID, count: Int)
    /// Send these in one message; the worker runs them in this order, after what it already has.
    case assign(WorkerID, [ChunkID])
    /// Nobody waits for a chunk any more that the worker has; it answers with `finished` all the same.
    case cancel(WorkerID, ChunkID)
    /// Its chunk runs for too long: end it, and answer with `workerLeft`.
    case kill(WorkerID)
    /// Give these items' results to the consumer; that of a task comes with its end.
    case deliver(JobID, Range<Int>, Delivery)
    /// Comes once for each job; nothing of the job comes after it but `cancel`.
    case ended(JobID, JobEnd)
    /// Start so many workers, and answer with `workerJoined` or `workerFailedToStart` for each.
    case start(Int)
    /// It has nothing to do and will get nothing more: let it end.
    case retire(WorkerID)
}

/// What is delivered of a chunk.
package enum Delivery: Hashable, Sendable {
    case results
    /// Its only item ended so many workers.
    case lost(kills: Int)
    case timedOut
}

/// How a job ended.
package enum JobEnd: Hashable, Sendable {
    case finished
    case failed(ChunkID)
    case cancelled
    case timedOut
    case inputFailed
    case noWorkers
}

/// How far a job is.
package struct JobProgress: Hashable, Sendable {
    /// Items taken from the input.
    package var supplied = 0
    /// Items whose results are known.
    package var done = 0
    /// Whether there is no more input.
    package var isInputEnded = false
}
