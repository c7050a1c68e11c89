// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// A job of one item, which knows no types: each task makes one.
final class TaskJob: SwarmJob {
    /// What the types are needed for.
    struct Work: Sendable {
        /// The encoded closure; nil where it does not travel.
        let closure: [UInt8]?
        /// The item, as the encoded items of a chunk.
        let items: @Sendable () throws -> [UInt8]
        /// Does it in this process.
        let run: @concurrent @Sendable (ChunkRun) async throws -> (any Sendable)?
    }

    /// What has come out.
    enum Value: Sendable {
        case typed(any Sendable)
        /// The encoded results of a chunk.
        case encoded(ArraySlice<UInt8>)
    }

    private struct State {
        var value: Value?
        var end: Result<Value, any Error>?
        /// Whether somebody has it, or waits for it.
        var isTaken = false
        var waiter: UnsafeContinuation<Value, any Error>?
    }

    var collectsFailures: Bool { false }
    var isSingle: Bool { true }
    let retry: RetryPolicy
    let context = Trace.Context.current
    private let work: Work
    private let state = Mutex(State())

    init(_ work: Work, retry: RetryPolicy) {
        self.work = work
        self.retry = retry
    }

    /// What has come out, as soon as it has; for one reader.
    func value() async throws -> Value {
        try await withUnsafeThrowingContinuation { (waiter: UnsafeContinuation<Value, any Error>) in
            let end = state.withLock { state -> Result<Value, any Error>? in
                if state.isTaken { return .failure(CallError(.badResult, "the task's value has been taken already")) }
                state.isTaken = true
                if state.end == nil { state.waiter = waiter }
                return state.end.take()
            }
            if let end { waiter.resume(with: end) }
        }
    }

    // MARK: What the engine asks for

    // It is there at once.
    func pull(_ count: Int) -> (count: Int, isLast: Bool) { (0, true) }
    func encodedWork() -> [UInt8] { work.closure ?? [] }
    func encodedItems(_ range: Range<Int>) throws -> [UInt8] { try work.items() }

    func work(on range: Range<Int>, in run: ChunkRun) async -> ChunkEnd {
        await ChunkEnd.of {
            let value = try await context.carryOut { try await work.run(run) }
            state.withLock { $0.value = value.map { .typed($0) } }
        }
    }

    func keep(_ results: ArraySlice<UInt8>, _ failures: [ItemFailure], of range: Range<Int>) {
        state.withLock { $0.value = .encoded(results) }
    }

    // With the only result comes the end.
    func deliver(_ range: Range<Int>) {}
    // Failures are not collected: the first is the end.
    func keep(_ error: any Error, of range: Range<Int>) {}
    func deliver(_ range: Range<Int>, lostFor error: any Error) {}

    func end(_ error: (any Error)?) {
        let (waiter, end) = state.withLock { state in
            let end: Result<Value, any Error> =
                if let error { .failure(error) } else if let value = state.value { .success(value) } else {
                    .failure(CallError(.badResult, "the task ended without a result"))
                }
            state.value = nil
            let waiter = state.waiter.take()
            if waiter == nil { state.end = end }
            return (waiter, end)
        }
        waiter?.resume(with: end)
    }
}
