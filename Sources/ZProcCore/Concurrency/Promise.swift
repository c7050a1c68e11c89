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
        let waiters = state.withLock { state -> [UnsafeContinuation<Value, any Error>]? in
            guard state.result == nil else { return nil }
            state.result = result
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        guard let waiters else { return false }
        for waiter in waiters { waiter.resume(with: result) }
        return true
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
