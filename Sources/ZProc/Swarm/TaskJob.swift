// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// A job of one item, which knows no types: each task makes one.
final class TaskJob: SwarmJob {
    /// What the types are needed for.
    enum Work: Sendable {
        /// Done in this process.
        case here(@concurrent @Sendable (ChunkRun) async throws -> any Sendable)
        /// The closure as it travels, and what encodes the only item of the chunk.
        case elsewhere(closure: [UInt8], item: @Sendable () throws -> [UInt8])
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
    func encodedWork() -> [UInt8] { if case .elsewhere(let closure, _) = work { closure } else { [] } }
    func encodedItems(_ range: Range<Int>) throws -> [UInt8] {
        if case .elsewhere(_, let item) = work { try item() } else { [] }
    }

    func work(on range: Range<Int>, in run: ChunkRun) async -> ChunkEnd {
        await ChunkEnd.of {
            guard case .here(let work) = work else { return }
            let value = try await context.carryOut { try await work(run) }
            state.withLock { $0.value = .typed(value) }
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
        typealias End = Result<Value, any Error>
        let (waiter, end) = state.withLock { state -> (UnsafeContinuation<Value, any Error>?, End) in
            let value = state.value.take()
            let end: End =
                if let error { .failure(error) } else if let value { .success(value) } else {
                    .failure(CallError(.badResult, "the task ended without a result"))
                }
            guard let waiter = state.waiter.take() else {
                state.end = end
                return (nil, end)
            }
            return (waiter, end)
        }
        waiter?.resume(with: end)
    }
}
