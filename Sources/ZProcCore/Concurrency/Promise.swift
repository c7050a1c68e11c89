// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A value that will be there once, for any number of waiters.
///
/// The first of several settings counts.
package final class Promise<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, any Error>?
        var waiters: [UInt64: UnsafeContinuation<Value, any Error>] = [:]
        var lastWaiter: UInt64 = 0
        var callbacks: [@Sendable (Result<Value, any Error>) -> Void] = []
    }
    private let state = Mutex(State())

    package init() {}

    /// A promise that has been kept already.
    package init(_ result: Result<Value, any Error>) { settle(result) }

    /// The result, when it is there already.
    package var result: Result<Value, any Error>? { state.withLock { $0.result } }

    /// Sets the result and resumes who waits; false when there was one already.
    @discardableResult
    package func settle(_ result: Result<Value, any Error>) -> Bool {
        let ended = state.withLock { state -> State? in
            guard state.result == nil else { return nil }
            defer { state = State(result: result) }
            return state
        }
        guard let ended else { return false }
        for callback in ended.callbacks { callback(result) }
        for waiter in ended.waiters.values { waiter.resume(with: result) }
        return true
    }

    /// Calls `callback` with the result: now, or on the thread that settles it, before anybody who waits goes on.
    package func whenSettled(_ callback: @escaping @Sendable (Result<Value, any Error>) -> Void) {
        let result = state.withLock { state -> Result<Value, any Error>? in
            if state.result == nil { state.callbacks.append(callback) }
            return state.result
        }
        if let result { callback(result) }
    }

    /// Waits for the result, cancelled or not.
    package func settled() async -> Result<Value, any Error> {
        if let result { return result }
        return await withUnsafeContinuation { waiter in whenSettled { waiter.resume(returning: $0) } }
    }

    /// Waits for the result.
    ///
    /// Cancelling ends the wait with `CancellationError`, and nothing else.
    package func value() async throws -> Value {
        if let result { return try result.get() }
        let ticket = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        return try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { waiter in
                let known = state.withLock { state -> Result<Value, any Error>? in
                    if state.result == nil { state.waiters[ticket] = waiter }
                    return state.result
                }
                if let known { return waiter.resume(with: known) }
                // Cancelled before there was anything to cancel.
                if Task.isCancelled { abandon(ticket) }
            }
        } onCancel: {
            abandon(ticket)
        }
    }

    private func abandon(_ ticket: UInt64) {
        state.withLock { $0.waiters.removeValue(forKey: ticket) }?.resume(throwing: CancellationError())
    }
}

extension Promise where Value == Void {
    /// Settles it.
    @discardableResult
    package func settle() -> Bool { settle(.success(())) }
}
