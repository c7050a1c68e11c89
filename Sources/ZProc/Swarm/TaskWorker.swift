// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Glibc
internal import Synchronization
internal import ZProcCore

/// A worker on `.threads`: a task that works on the items themselves.
final class TaskWorker: SwarmWorker {
    private struct State {
        var chunks: Deque<ChunkID> = []
        var current: (chunk: ChunkID, task: Task<ChunkEnd, Never>)?
        /// What it has been given and not finished; and what of it nobody waits for any more.
        ///
        /// By numbers: a type of keys of one's own is hashed like any struct, in twice the time.
        var open: Set<UInt64> = []
        var cancelled: Set<UInt64> = []
        var isEnding = false
        /// Prepares, and works.
        var task: Task<Void, Never>?
        var waiter: UnsafeContinuation<ChunkID?, Never>?

        mutating func forget(_ chunk: ChunkID) {
            current = nil
            open.remove(chunk.number)
            if !cancelled.isEmpty { cancelled.remove(chunk.number) }
        }
    }

    private let id: WorkerID
    private let state = Mutex(State())
    private let ended = Promise<Void>()

    init(_ id: WorkerID) { self.id = id }

    var processID: Int { Int(getpid()) }

    /// Works until it is told to end.
    ///
    /// - Parameters:
    ///   - engine: whose chunks they are.
    ///   - isBlocking: whether it has a thread of its own.
    ///   - prepare: makes what it keeps for itself.
    func start(for engine: SwarmEngine, isBlocking: Bool, prepare: @escaping @Sendable () async throws -> any Sendable)
    {
        let isStopped = state.withLock { state in
            // It may have been stopped before it began.
            if state.isEnding { return true }
            let thread = isBlocking ? ThreadExecutor() : nil
            state.task = CallDeadline.$current.withValue(nil) {
                Task(executorPreference: thread) { [self] in
                    do {
                        let storage = try await prepare()
                        let own = WorkerStorage(storage, number: Int(id.number), swarm: engine)
                        engine.joined(id, isOwn: true)
                        await WorkerStorage.$current.withValue(own) { await run(for: engine, on: thread) }
                        engine.left(id)
                    } catch {
                        engine.failedToStart(id, error)
                    }
                    thread?.finish()
                    ended.settle()
                    // It holds this.
                    self.state.withLock { $0.task = nil }
                }
            }
            return false
        }
        if isStopped { ended.settle() }
    }

    private func run(for engine: SwarmEngine, on thread: ThreadExecutor?) async {
        while let chunk = await next() {
            guard let work = engine.work([chunk], of: id)[0] else {
                state.withLock { $0.forget(chunk) }
                engine.finished(id, [(chunk, .cancelled, .zero)])
                continue
            }
            let run = engine.run(of: work.job)
            let start = ContinuousClock.now
            let task = Task(executorPreference: thread) { await work.job.work(on: work.range, in: run) }
            let isCancelled = state.withLock { state in
                state.current = (chunk, task)
                return state.cancelled.contains(chunk.number)
            }
            if isCancelled { task.cancel() }
            let end = await task.value
            state.withLock { $0.forget(chunk) }
            engine.finished(id, [(chunk, end, .now - start)])
        }
    }

    private func next() async -> ChunkID? {
        await withUnsafeContinuation { waiter in
            let known = state.withLock { state -> ChunkID?? in
                if state.isEnding { return .some(nil) }
                if let chunk = state.chunks.popFirst() { return chunk }
                state.waiter = waiter
                return nil
            }
            if let known { waiter.resume(returning: known) }
        }
    }

    func assign(_ chunks: [ChunkID]) {
        let waiting = state.withLock { state -> (UnsafeContinuation<ChunkID?, Never>, ChunkID)? in
            state.chunks.append(contentsOf: chunks)
            for chunk in chunks { state.open.insert(chunk.number) }
            guard let waiter = state.waiter, let chunk = state.chunks.popFirst() else { return nil }
            state.waiter = nil
            return (waiter, chunk)
        }
        if let (waiter, chunk) = waiting { waiter.resume(returning: chunk) }
    }

    func cancel(_ chunk: ChunkID) {
        let task = state.withLock { state -> Task<ChunkEnd, Never>? in
            if let current = state.current, current.chunk == chunk { return current.task }
            if state.open.contains(chunk.number) { state.cancelled.insert(chunk.number) }
            return nil
        }
        task?.cancel()
    }

    func forget(_ job: JobID) {}

    func retire() {
        let waiter = state.withLock { state in
            state.isEnding = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: nil)
    }

    /// There is nothing stronger than cancelling; it is replaced while it goes on.
    func kill() {
        retire()
        state.withLock { $0.current?.task }?.cancel()
    }

    func stop(grace: Duration) async {
        kill()
        // It may be preparing.
        state.withLock { $0.task }?.cancel()
        _ = await ended.settled()
    }
}
