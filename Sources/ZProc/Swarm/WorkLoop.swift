// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Glibc
internal import MessagePack
internal import PortableClosures
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// The body of a worker process, whose storage's type is known only to itself.
protocol PortableWorkerBody: PortableBody {
    /// Prepares the worker, and runs `body` with what it keeps.
    func withStorage(number: UInt64, _ body: @Sendable () async throws -> Void) async throws
}

/// The body of a worker process.
struct WorkerBody<Storage: Sendable>: PortableWorkerBody {
    /// Makes what the worker keeps for itself.
    let prepare: @concurrent @Sendable () async throws -> Storage

    func run(arguments: [UInt8], in child: ChildMain) async throws -> [UInt8] {
        let name = try child.system.decoder.decode(WorkerName.self, from: arguments)
        let loop = WorkLoop(name, of: child.parent, in: child)
        try await withStorage(number: name.worker) { try await loop.run() }
        return []
    }

    func withStorage(number: UInt64, _ body: @Sendable () async throws -> Void) async throws {
        let storage = WorkerStorage(try await prepare(), number: Int(clamping: number))
        try await WorkerStorage.$current.withValue(storage) { try await body() }
    }
}

/// A worker from the inside: asks for work, does it, and tells what became of it.
///
/// Two requests are out at a time, so that the next work is there when the present one is done.
final class WorkLoop: Sendable {
    private struct Definition {
        var work: Result<any PortableWork, any Error>
        var run: ChunkRun
        var context: Trace.Context
    }

    private struct State {
        var batches: Deque<Result<WorkBatch, any Error>> = []
        var waiter: UnsafeContinuation<WorkBatch, any Error>?
        var current: (chunk: UInt64, task: Task<ChunkReport.Outcome, Never>)?
        /// What nobody waits for any more, by how many batches had begun when that was told.
        var cancelled: [UInt64: Int] = [:]
        var batchCount = 0
        var isStopped = false
        /// What is done and not told yet.
        var reports: [ChunkReport] = []
        /// Whether what is done will be told soon, however long the next chunk takes.
        var tellsSoon = false
    }

    private let name: WorkerName
    private let system: ZProcSystem
    /// Where the swarm is.
    private let swarm: NodeAddress
    private let state = Mutex(State())

    init(_ name: WorkerName, of swarm: NodeAddress, in child: ChildMain) {
        self.name = name
        self.swarm = swarm
        system = child.system
    }

    /// After this time, what is done is told before the rest of the batch is: others wait for it, and what the rest does to
    /// this process must not be blamed on it.
    private static let reportTime: Duration = .microseconds(500)
    /// How often the memory is looked at.
    private static let memoryTime: Duration = .milliseconds(100)

    func run() async throws {
        try await withTaskCancellationHandler {
            try watchCancelled()
            try ask([], memory: 0)
            try ask([], memory: 0)
            try await work()
        } onCancel: {
            stop()
        }
    }

    private func work() async throws {
        var definitions: [UInt64: Definition] = [:], lastLook: ContinuousClock.Instant = .now
        while true {
            let batch = try await next()
            state.withLock { state in
                state.batchCount += 1
                // What is cancelled before it arrives comes with one of the two batches that are asked for. What was
                // done when it was cancelled never comes.
                if !state.cancelled.isEmpty {
                    state.cancelled = state.cancelled.filter { state.batchCount - $0.value <= 3 }
                }
            }
            for job in batch.forgotten { definitions[job] = nil }
            for definition in batch.definitions { definitions[definition.job] = read(definition) }
            for (index, chunk) in batch.chunks.enumerated() {
                let report = await work(on: chunk, definitions[chunk.job])
                let mustPromise = state.withLock { state in
                    state.reports.append(report)
                    if index + 1 == batch.chunks.count || state.tellsSoon { return false }
                    state.tellsSoon = true
                    return true
                }
                if mustPromise { tellSoon() }
            }
            for definition in batch.definitions where definition.isSingle { definitions[definition.job] = nil }
            var memory = 0
            if .now - lastLook > Self.memoryTime { (memory, lastLook) = (Self.residentByteCount(), .now) }
            try ask(takeReports(), asks: !batch.isLast, memory: memory)
            if batch.isLast { return }
        }
    }

    private func read(_ definition: JobDefinition) -> Definition {
        let job = definition.job
        var retryDelay: ChunkRun.RetryDelay?
        if definition.mayRetry {
            retryDelay = { [self] attempt, error in await self.retryDelay(of: job, attempt, error) }
        }
        let run = ChunkRun(
            system: system,
            collectsFailures: definition.collectsFailures,
            retryDelay: retryDelay
        )
        let context = Trace.Context(texts: definition.trace)
        do {
            let closure = try system.closure(in: definition.work)
            guard let work = closure.holder as? any PortableWork else {
                throw CallError(.badArguments, "the closure sent does no work of a swarm")
            }
            return Definition(work: .success(work), run: run, context: context)
        } catch {
            return Definition(work: .failure(error), run: run, context: context)
        }
    }

    /// Asks the swarm's process, where the policy is.
    private func retryDelay(of job: UInt64, _ attempt: Int, _ error: any Error) async -> Duration? {
        let request = RetryRequest(worker: name, job: job, attempt: attempt, error: system.errorCoder.encode(error))
        do {
            let answer = try await system.call(
                SwarmService.name,
                SwarmMethod.retry.rawValue,
                arguments: try system.encoder.encode(request),
                at: swarm
            )
            return try system.decoder.decode(Int64?.self, from: answer).map { .nanoseconds($0) }
        } catch {
            return nil
        }
    }

    private func work(on chunk: ChunkWork, _ definition: Definition?) async -> ChunkReport {
        let start = ContinuousClock.now
        guard let definition else { return ChunkReport(chunk: chunk.chunk, runTime: .zero, outcome: .cancelled) }
        let task = Task(executorPreference: system.node.taskExecutor) { await self.outcome(of: chunk, definition) }
        let isCancelled = state.withLock { state in
            state.current = (chunk.chunk, task)
            return state.cancelled.removeValue(forKey: chunk.chunk) != nil || state.isStopped
        }
        if isCancelled { task.cancel() }
        let outcome = await task.value
        state.withLock { $0.current = nil }
        return ChunkReport(chunk: chunk.chunk, runTime: .now - start, outcome: outcome)
    }

    private func outcome(of chunk: ChunkWork, _ definition: Definition) async -> ChunkReport.Outcome {
        do {
            let work = try definition.work.get()
            let (results, failures) = try await definition.context.carryOut {
                try await work.run(items: chunk.items, in: definition.run)
            }
            guard results.count < SwarmEngine.messageByteCount else { return .tooLarge(results.count) }
            return .results(
                results[...],
                failures: failures.map { ItemFailure(offset: $0.offset, error: system.errorCoder.encode($0.error)) }
            )
        } catch let error as ItemError {
            return .failed(ItemFailure(offset: error.offset, error: system.errorCoder.encode(error.error)))
        } catch is CancellationError where Task.isCancelled {
            return .cancelled
        } catch {
            return .failed(ItemFailure(offset: 0, error: system.errorCoder.encode(error)))
        }
    }

    // MARK: Messages

    private func ask(_ reports: [ChunkReport], asks: Bool = true, memory: Int) throws {
        let request = WorkRequest(worker: name, reports: reports, asks: asks, memoryByteCount: memory)
        let arguments = try request.encoded(with: system.encoder)
        system.request(SwarmService.name, SwarmMethod.next.rawValue, arguments: arguments, at: swarm) {
            [loop = WeakReference(self)] answer in
            guard asks, let loop = loop.object else { return }
            loop.take(Result { try WorkBatch(decoding: answer.get()) })
        }
    }

    private func takeReports() -> [ChunkReport] {
        state.withLock { state in
            defer { state.reports = [] }
            return state.reports
        }
    }

    private func tellSoon() {
        Task { [self] in
            try? await Task.sleep(for: Self.reportTime)
            state.withLock { $0.tellsSoon = false }
            let reports = takeReports()
            // Without the swarm there is nobody to tell.
            if !reports.isEmpty { try? ask(reports, asks: false, memory: 0) }
        }
    }

    private func take(_ batch: Result<WorkBatch, any Error>) {
        let waiter = state.withLock { state -> UnsafeContinuation<WorkBatch, any Error>? in
            guard let waiter = state.waiter else {
                state.batches.append(batch)
                return nil
            }
            state.waiter = nil
            return waiter
        }
        waiter?.resume(with: batch)
    }

    private func next() async throws -> WorkBatch {
        try await withUnsafeThrowingContinuation { (waiter: UnsafeContinuation<WorkBatch, any Error>) in
            let known = state.withLock { state -> Result<WorkBatch, any Error>? in
                if state.isStopped { return .failure(CancellationError()) }
                if let batch = state.batches.popFirst() { return batch }
                state.waiter = waiter
                return nil
            }
            if let known { waiter.resume(with: known) }
        }
    }

    private func watchCancelled() throws {
        let arguments = try system.encoder.encode(name)
        system.request(SwarmService.name, SwarmMethod.cancelled.rawValue, arguments: arguments, at: swarm) {
            [loop = WeakReference(self)] answer in
            // Without the swarm there is nothing to cancel.
            guard let loop = loop.object, let bytes = try? answer.get(),
                let orders = try? loop.system.decoder.decode(WorkerOrders.self, from: bytes)
            else { return }
            // Whatever it does; the process that started it starts another one.
            if orders.endsAtOnce { Glibc.kill(getpid(), SIGKILL) }
            for chunk in orders.cancelled { loop.cancel(chunk) }
            try? loop.watchCancelled()
        }
    }

    private func cancel(_ chunk: UInt64) {
        let task = state.withLock { state -> Task<ChunkReport.Outcome, Never>? in
            if let current = state.current, current.chunk == chunk { return current.task }
            state.cancelled[chunk] = state.batchCount
            return nil
        }
        task?.cancel()
    }

    private func stop() {
        let (task, waiter) = state.withLock { state in
            state.isStopped = true
            defer { state.waiter = nil }
            return (state.current?.task, state.waiter)
        }
        task?.cancel()
        waiter?.resume(throwing: CancellationError())
    }

    private static func residentByteCount() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 128)
        let count = fread(&text, 1, text.count, file)
        let numbers = String(decoding: text.prefix(count), as: UTF8.self).split(separator: " ")
        return numbers.count > 1 ? (Int(numbers[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}
