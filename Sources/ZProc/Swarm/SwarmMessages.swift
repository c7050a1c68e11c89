// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import PortableClosures

/// What a worker asks the process that its swarm lives in.
enum SwarmMethod: String {
    /// A `WorkRequest` → a `WorkBatch`, as soon as there is work; at once when the worker does not ask for any
    case next
    /// A `WorkerName` → `WorkerOrders`, as soon as there are any
    case cancelled
    /// A `RetryRequest` → how long to wait before another attempt, in nanoseconds; nil for none
    case retry
    /// A `JoinRequest` → a `JoinReply`: a process of another machine is to be a worker
    case join
    /// A `MachineReport` → how long the machine may be silent, in nanoseconds
    case machine
    /// A `MachineReport` → an error that says that the swarm has ended, as soon as it has
    case untilEnd
}

/// Which worker of which swarm.
struct WorkerName: Codable, Hashable {
    var swarm: UInt64
    var worker: UInt64
}

/// What a worker is told while it works.
struct WorkerOrders: Codable {
    /// Chunks that nobody waits for any more.
    var cancelled: [UInt64]
    /// Whether it is to end in the middle of what it does.
    var endsAtOnce: Bool
}

/// A process that is to be a worker.
struct JoinRequest: Codable {
    var swarm: UInt64
    var machine: UInt64
    var processID: Int
}

/// Which worker it is, and what workers begin with.
struct JoinReply: Codable {
    var worker: UInt64
    /// Holds a ``PortableWorkerBody``.
    var body: PortableClosure
}

/// Says that a machine is there, and which processes of its workers have ended.
struct MachineReport: Codable {
    var swarm: UInt64
    var machine: UInt64
    var ended: [Int]
}

/// Tells what has been done, and asks for more.
struct WorkRequest {
    var worker: WorkerName
    var reports: [ChunkReport]
    /// Whether the answer may wait until there is work.
    var asks: Bool
    /// What the worker's process has in memory, in bytes.
    var memoryByteCount: Int
}

/// What a worker is to do, in this order.
struct WorkBatch {
    /// What is not known to the worker yet.
    var definitions: [JobDefinition] = []
    /// Jobs it will hear no more of.
    var forgotten: [UInt64] = []
    var chunks: [ChunkWork] = []
    /// Whether the worker is to end after this.
    var isLast = false
}

/// What is done with the items of a job.
struct JobDefinition {
    var job: UInt64
    /// The encoded closure, so that one that cannot be read fails its own job only.
    var work: [UInt8]
    /// Whether an item that fails is a result like others.
    var collectsFailures: Bool
    /// Whether an item that fails may be tried again; the swarm's process decides.
    var mayRetry: Bool
    /// Whether there is one chunk only.
    var isSingle: Bool
    /// The context of the trace that the job belongs to.
    var trace: [String]
}

/// Items to work on.
struct ChunkWork {
    var job: UInt64
    var chunk: UInt64
    /// The encoded items.
    var items: ArraySlice<UInt8>
}

/// What became of a chunk.
struct ChunkReport {
    enum Outcome {
        /// The encoded results of the items that did not fail, and the others.
        case results(ArraySlice<UInt8>, failures: [ItemFailure])
        /// The first item to fail; the rest was not tried.
        case failed(ItemFailure)
        case cancelled
        /// The results have so many bytes, more than a message may.
        case tooLarge(Int)
    }

    var chunk: UInt64
    /// How long it ran.
    var runTime: Duration
    var outcome: Outcome
}

/// An item that failed, by its place in its chunk.
struct ItemFailure: Codable {
    var offset: Int
    var error: WireError
}

/// Asks whether an item that failed is to be tried again.
struct RetryRequest: Codable {
    var worker: WorkerName
    var job: UInt64
    /// How often it has been tried.
    var attempt: Int
    var error: WireError
}

extension Duration {
    /// Whole nanoseconds, as many as fit.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflows ? (seconds < 0 ? .min : .max) : product &+ attoseconds / 1_000_000_000
    }
}
