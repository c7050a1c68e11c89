// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Synchronization

/// The results of a job on their way to whoever wants them, chunk by chunk.
final class OutputQueue<Output: Sendable>: Sendable {
    /// A chunk's results; read by whoever takes them, on their own thread.
    struct Piece: Sendable {
        let count: Int
        let read: @Sendable () throws -> Outputs
    }

    /// The results of a chunk's items that did not fail, and the others by their places.
    struct Outputs {
        var outputs: [Output]
        var failures: [(offset: Int, error: any Error)]

        /// A result for each of so many items.
        func merged(_ count: Int) -> [Result<Output, any Error>] {
            if failures.isEmpty { return outputs.map { .success($0) } }
            let errors = Dictionary(failures.map { ($0.offset, $0.error) }, uniquingKeysWith: { first, _ in first })
            var rest = outputs.makeIterator()
            return (0..<count).compactMap { offset in
                errors[offset].map { .failure($0) } ?? rest.next().map { .success($0) }
            }
        }
    }

    private struct State {
        var pieces: Deque<Piece> = []
        var end: Result<Void, any Error>?
        var waiter: UnsafeContinuation<Piece?, any Error>?
    }
    private let state = Mutex(State())

    func put(_ count: Int, read: @escaping @Sendable () throws -> Outputs) {
        let piece = Piece(count: count, read: read)
        let waiter = state.withLock { state -> UnsafeContinuation<Piece?, any Error>? in
            if state.end != nil { return nil }
            if let waiter = state.waiter {
                state.waiter = nil
                return waiter
            }
            state.pieces.append(piece)
            return nil
        }
        waiter?.resume(returning: piece)
    }

    func finish(_ error: (any Error)?) {
        let end: Result<Void, any Error> = error.map { .failure($0) } ?? .success(())
        let waiter = state.withLock { state in
            if state.end == nil { state.end = end }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(with: end.map { nil })
    }

    /// The next chunk's results; nil at the end.
    ///
    /// One reader at a time: a second one gets nil.
    ///
    /// - Throws: what the job failed of, after all results that were delivered.
    func next() async throws -> Piece? {
        try await withUnsafeThrowingContinuation { (waiter: UnsafeContinuation<Piece?, any Error>) in
            let known = state.withLock { state -> Result<Piece?, any Error>? in
                if let piece = state.pieces.popFirst() { return .success(piece) }
                if let end = state.end { return end.map { nil } }
                if state.waiter != nil { return .success(nil) }
                state.waiter = waiter
                return nil
            }
            if let known { waiter.resume(with: known) }
        }
    }
}
