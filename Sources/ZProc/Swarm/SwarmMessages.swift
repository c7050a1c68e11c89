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
struct WorkRequest: Codable {
    var worker: WorkerName
    var reports: [ChunkReport]
    /// Whether the answer may wait until there is work.
    var asks: Bool
    /// What the worker's process has in memory, in bytes.
    var memoryByteCount: Int

    init(worker: WorkerName, reports: [ChunkReport], asks: Bool, memoryByteCount: Int) {
        self.worker = worker
        self.reports = reports
        self.asks = asks
        self.memoryByteCount = memoryByteCount
    }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        worker = WorkerName(swarm: try container.decode(UInt64.self), worker: try container.decode(UInt64.self))
        asks = try container.decode(Bool.self)
        memoryByteCount = try container.decode(Int.self)
        reports = try container.decode([ChunkReport].self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(worker.swarm)
        try container.encode(worker.worker)
        try container.encode(asks)
        try container.encode(memoryByteCount)
        try container.encode(reports)
    }
}

/// What a worker is to do, in this order.
struct WorkBatch: Codable {
    /// What is not known to the worker yet.
    var definitions: [JobDefinition] = []
    /// Jobs it will hear no more of.
    var forgotten: [UInt64] = []
    var chunks: [ChunkWork] = []
    /// Whether the worker is to end after this.
    var isLast = false

    init() {}

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        isLast = try container.decode(Bool.self)
        definitions = try container.decode([JobDefinition].self)
        forgotten = try container.decode([UInt64].self)
        chunks = try container.decode([ChunkWork].self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(isLast)
        try container.encode(definitions)
        try container.encode(forgotten)
        try container.encode(chunks)
    }
}

/// What is done with the items of a job.
struct JobDefinition: Codable {
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

    init(job: UInt64, work: [UInt8], collectsFailures: Bool, mayRetry: Bool, isSingle: Bool, trace: [String]) {
        self.trace = trace
        self.job = job
        self.work = work
        self.collectsFailures = collectsFailures
        self.mayRetry = mayRetry
        self.isSingle = isSingle
    }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        job = try container.decode(UInt64.self)
        work = try container.decode([UInt8].self)
        let flags = try container.decode(UInt8.self)
        collectsFailures = flags & 1 != 0
        mayRetry = flags & 2 != 0
        isSingle = flags & 4 != 0
        trace = flags & 8 != 0 ? try container.decode([String].self) : []
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(job)
        try container.encode(work)
        let flags = [collectsFailures, mayRetry, isSingle, !trace.isEmpty]
        try container.encode(flags.reversed().reduce(0 as UInt8) { $0 << 1 | ($1 ? 1 : 0) })
        if !trace.isEmpty { try container.encode(trace) }
    }
}

/// Items to work on.
struct ChunkWork: Codable {
    var job: UInt64
    var chunk: UInt64
    /// The encoded items.
    var items: [UInt8]

    init(job: UInt64, chunk: UInt64, items: [UInt8]) {
        self.job = job
        self.chunk = chunk
        self.items = items
    }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        job = try container.decode(UInt64.self)
        chunk = try container.decode(UInt64.self)
        items = try container.decode([UInt8].self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(job)
        try container.encode(chunk)
        try container.encode(items)
    }
}

/// What became of a chunk.
struct ChunkReport: Codable {
    enum Outcome {
        /// The encoded results of the items that did not fail, and the others.
        case results([UInt8], failures: [ItemFailure])
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

    init(chunk: UInt64, runTime: Duration, outcome: Outcome) {
        self.chunk = chunk
        self.runTime = runTime
        self.outcome = outcome
    }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        chunk = try container.decode(UInt64.self)
        runTime = .nanoseconds(try container.decode(Int64.self))
        switch try container.decode(UInt8.self) {
        case 0: outcome = .results(try container.decode([UInt8].self), failures: [])
        case 1:
            let results = try container.decode([UInt8].self)
            outcome = .results(results, failures: try container.decode([ItemFailure].self))
        case 2: outcome = .failed(try container.decode(ItemFailure.self))
        case 4: outcome = .tooLarge(try container.decode(Int.self))
        default: outcome = .cancelled
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(chunk)
        try container.encode(runTime.nanoseconds)
        switch outcome {
        case .results(let results, let failures) where failures.isEmpty:
            try container.encode(0 as UInt8)
            try container.encode(results)
        case .results(let results, let failures):
            try container.encode(1 as UInt8)
            try container.encode(results)
            try container.encode(failures)
        case .failed(let failure):
            try container.encode(2 as UInt8)
            try container.encode(failure)
        case .cancelled: try container.encode(3 as UInt8)
        case .tooLarge(let byteCount):
            try container.encode(4 as UInt8)
            try container.encode(byteCount)
        }
    }
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
