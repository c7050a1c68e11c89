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
        /// The closure as it travels, and what encodes the arguments, as the only item of a chunk, when a worker takes it:
        /// until then large ones share their memory with what they were made of.
        ///
        /// It also holds what the closure has captured, such as an actor of this process, which others call.
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
        /// Why there is none, once that is known.
        var error: (any Error)?
        var isOver = false
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
            let (isTaken, isOver) = state.withLock { state in
                defer { state.isTaken = true }
                if !state.isTaken, !state.isOver { state.waiter = waiter }
                return (state.isTaken, state.isOver)
            }
            if isTaken {
                waiter.resume(throwing: CallError(.badResult, "the task's value has been taken already"))
            } else if isOver {
                resume(waiter)
            }
        }
    }

    /// Hands over what there is after the end.
    private func resume(_ waiter: UnsafeContinuation<Value, any Error>) {
        let (value, error) = state.withLock { ($0.value.take(), $0.error) }
        if let error { return waiter.resume(throwing: error) }
        if let value { return waiter.resume(returning: value) }
        waiter.resume(throwing: CallError(.badResult, "the task ended without a result"))
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
        let waiter = state.withLock { state in
            state.error = error
            if error != nil { state.value = nil }
            state.isOver = true
            return state.waiter.take()
        }
        if let waiter { resume(waiter) }
    }
}
