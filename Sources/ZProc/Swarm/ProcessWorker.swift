// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Glibc
internal import MessagePack
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// A worker in another process, which asks for its work: a child, or one that a ``SwarmMember`` started.
final class ProcessWorker: SwarmWorker {
    private struct State {
        var chunks: Deque<ChunkID> = []
        /// Calls of the worker's that wait for work.
        var calls: Deque<IncomingCall> = []
        /// Jobs whose definition it has.
        var known: Set<UInt64> = []
        var forgotten: [JobID] = []
        var cancelled: [ChunkID] = []
        /// The call that waits for chunks to cancel.
        var cancelCall: IncomingCall?
        var isRetiring = false
        var endsAtOnce = false
        var isSending = false
        /// Whether its calls are refused.
        var isGone = false
    }

    private let id: WorkerID
    private let engine: WeakReference<SwarmEngine>
    /// Whether its process was started by this one.
    let isOwn: Bool
    /// Settled when its process has been started; never when it could not be.
    private let child = Promise<ChildProcess>()
    private let state = Mutex(State())

    init(_ id: WorkerID, of engine: SwarmEngine, isOwn: Bool = true) {
        self.id = id
        self.isOwn = isOwn
        self.engine = WeakReference(engine)
    }

    var processID: Int { (try? child.result?.get())?.processID ?? 0 }

    func started(_ child: ChildProcess) { self.child.settle(.success(child)) }

    // MARK: What the engine tells it

    func assign(_ chunks: [ChunkID]) {
        state.withLock { $0.chunks.append(contentsOf: chunks) }
        send()
    }

    func cancel(_ chunk: ChunkID) {
        state.withLock { $0.cancelled.append(chunk) }
        sendCancelled()
    }

    func forget(_ job: JobID) {
        state.withLock { state in
            if state.known.remove(job.number) != nil { state.forgotten.append(job) }
        }
    }

    func retire() {
        state.withLock { $0.isRetiring = true }
        send()
    }

    func kill() {
        if isOwn { return child.whenSettled { try? $0.get().signal(SIGKILL) } }
        state.withLock { $0.endsAtOnce = true }
        sendCancelled()
    }

    func stop(grace: Duration) async {
        if !isOwn { return refuse() }
        if let child = try? child.result?.get() { return await child.stop(grace: grace) }
        // One that is just being started is stopped when it is there.
        child.whenSettled { child in
            if let child = try? child.get() { Task { await child.stop(grace: grace) } }
        }
    }

    // MARK: What its process asks

    func asks(_ call: IncomingCall) {
        let isGone = state.withLock { state in
            if !state.isGone { state.calls.append(call) }
            return state.isGone
        }
        if isGone { refuse(call) } else { send() }
    }

    func asksForCancelled(_ call: IncomingCall) {
        let isGone = state.withLock { state in
            if !state.isGone { state.cancelCall = call }
            return state.isGone
        }
        if isGone { refuse(call) } else { sendCancelled() }
    }

    /// Nothing more comes: the worker finds that it is no longer one.
    func refuse() {
        let calls = state.withLock { state in
            defer { (state.calls, state.cancelCall, state.isGone) = ([], nil, true) }
            return Array(state.calls) + (state.cancelCall.map { [$0] } ?? [])
        }
        for call in calls { refuse(call) }
    }

    private func refuse(_ call: IncomingCall) {
        guard let engine = engine.object else { return }
        call.fail(SwarmError.workerGone, encoder: engine.system.errorCoder)
    }

    private func sendCancelled() {
        let next = state.withLock { state -> (IncomingCall, WorkerOrders)? in
            guard let call = state.cancelCall, !state.cancelled.isEmpty || state.endsAtOnce else { return nil }
            state.cancelCall = nil
            defer { state.cancelled = [] }
            return (call, WorkerOrders(cancelled: state.cancelled.map(\.number), endsAtOnce: state.endsAtOnce))
        }
        guard let (call, orders) = next, let engine = engine.object else { return }
        do {
            call.succeed(try engine.system.encoder.encode(orders))
        } catch {
            call.fail(error, encoder: engine.system.errorCoder)
        }
    }

    /// Sends what waits to a call that waits; one message at a time, so that they arrive in order.
    private func send() {
        var hasSent = false
        while true {
            let next = state.withLock { state -> (IncomingCall, [ChunkID], [JobID], isLast: Bool)? in
                if hasSent { state.isSending = false }
                guard !state.isSending, !state.calls.isEmpty, !state.chunks.isEmpty || state.isRetiring,
                    let call = state.calls.popFirst()
                else { return nil }
                state.isSending = true
                defer {
                    state.chunks = []
                    state.forgotten = []
                }
                return (call, Array(state.chunks), state.forgotten, state.isRetiring)
            }
            guard let (call, chunks, forgotten, isLast) = next, let engine = engine.object else { return }
            var batch = WorkBatch()
            batch.isLast = isLast
            batch.forgotten = forgotten.map(\.number)
            var byteCount = 0, added = 0
            for (chunk, work) in zip(chunks, engine.work(chunks, of: id)) {
                if byteCount >= SwarmEngine.chunkByteCount { break }
                byteCount += add(chunk, work, to: &batch, engine)
                added += 1
            }
            // What is too much for this message goes with the next one.
            if added < chunks.count { state.withLock { $0.chunks.prepend(contentsOf: chunks[added...]) } }
            call.succeed(batch.encoded)
            hasSent = true
        }
    }

    /// Adds a chunk's items, and says how many bytes they have.
    private func add(_ chunk: ChunkID, _ work: SwarmEngine.Work?, to batch: inout WorkBatch, _ engine: SwarmEngine)
        -> Int
    {
        guard let work else {
            engine.finished(id, [(chunk, .cancelled, .zero)])
            return 0
        }
        do {
            let job = work.job
            let items = try job.encodedItems(work.range)
            guard items.count < SwarmEngine.messageByteCount else {
                let end = engine.isTooLarge(work) { "\($0) has \(items.count) bytes" }
                engine.finished(id, [(chunk, end, .zero)])
                return 0
            }
            engine.measured(work, byteCount: items.count)
            let isNew = job.isSingle || state.withLock { $0.known.insert(work.id.number).inserted }
            if isNew {
                batch.definitions.append(
                    JobDefinition(
                        job: work.id.number,
                        work: try job.encodedWork(),
                        collectsFailures: job.collectsFailures,
                        mayRetry: job.mayRetry,
                        isSingle: job.isSingle,
                        trace: job.context.texts
                    )
                )
            }
            batch.chunks.append(ChunkWork(job: work.id.number, chunk: chunk.number, items: items[...]))
            return items.count
        } catch {
            engine.finished(id, [(chunk, .failed(error), .zero)])
            return 0
        }
    }
}
