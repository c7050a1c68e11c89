// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// A call that waits for its answer, and may be cancelled meanwhile.
///
/// Answer it exactly once.
final class IncomingCall: Sendable {
    private enum Work {
        /// Nothing can be cancelled yet.
        case expected
        case task(Task<Void, Never>)
        case other(onCancel: @Sendable () -> Void)
        case cancelled
        /// It has been answered.
        case over(wasCancelled: Bool)
    }

    let method: String
    /// A part of the message that has brought it.
    let arguments: ArraySlice<UInt8>
    let caller: Caller
    /// Names what the call changes, where it may come again.
    let request: UpdateRequest?
    let id: CallID
    let inbound: InboundCalls
    /// What metrics and traces want to know of it; nil when nobody does.
    let observation: CallObservation?
    private let work = Mutex(Work.expected)

    init(
        method: String,
        arguments: ArraySlice<UInt8>,
        caller: Caller,
        request: UpdateRequest?,
        id: CallID,
        inbound: InboundCalls,
        observation: CallObservation?
    ) {
        self.method = method
        self.arguments = arguments
        self.caller = caller
        self.request = request
        self.id = id
        self.inbound = inbound
        self.observation = observation
    }

    // MARK: Answering

    /// Answers with the bytes of a result.
    func succeed(_ result: [UInt8]) {
        guard result.count <= Envelope.maximumByteCount else {
            let text = "the result of \(method) has \(result.count) bytes, of at most \(Envelope.maximumByteCount)"
            return inbound.reply(.failure(WireError(code: "tooLarge", message: text)), to: self)
        }
        inbound.reply(.success(result), to: self)
    }

    /// Answers with an error.
    func fail(_ error: any Error, encoder: ErrorCoder) {
        inbound.reply(.failure(encoder.encode(error)), to: self)
    }

    /// Keeps the call open without a task, until it is released.
    ///
    /// - Parameter onCancel: called once when the caller gives up or is lost.
    /// - Returns: whether it is open; if not, it is not released either.
    func hold(onCancel: @escaping @Sendable () -> Void) -> InboundCalls.Opening {
        work.withLock { $0 = .other(onCancel: onCancel) }
        let opening = inbound.open(self)
        // What will not be called is let go.
        if case .open = opening {} else { close() }
        return opening
    }

    /// It is about to be answered, or will never be.
    func release() { caller.close(id) }

    /// Cancels what its caller waits for, and forgets the caller.
    func callerHasGone() { inbound.listenerLost(caller.peer) }

    /// Does the work on a task of its own, off the transport's thread, and answers with what it returns or throws.
    ///
    /// The task is cancelled when the caller gives up or is lost.
    func respond(encoder: ErrorCoder, _ answer: @concurrent @escaping @Sendable () async throws -> [UInt8]) {
        inbound.start(self) { executor in
            Task(executorPreference: executor) { [self] in
                do {
                    succeed(try await answer())
                } catch {
                    fail(error, encoder: encoder)
                }
            }
        }
    }

    /// Whether it has been answered, and nobody has tried to cancel it before, nor will: what works on it can do
    /// something else.
    var hasEndedUncancelled: Bool {
        work.withLock { if case .over(wasCancelled: false) = $0 { true } else { false } }
    }

    // MARK: Cancelling

    /// Names the task that works on it, which is cancelled at once when the call has been.
    func begin(_ task: Task<Void, Never>) {
        let isCancelled = work.withLock { work in
            switch work {
            case .cancelled: return true
            case .expected: work = .task(task)
            // It has been answered meanwhile.
            case .task, .other, .over: break
            }
            return false
        }
        if isCancelled { task.cancel() }
    }

    /// Cancels what works on it, once.
    func cancel() {
        switch takeForCancelling() {
        case .task(let task): task.cancel()
        case .other(let onCancel): onCancel()
        case .expected, .cancelled, .over: break
        }
    }

    /// It is not open any more: it can be cancelled no longer, and what could have been is let go.
    func close() {
        let ended = work.withLock { work in
            let ended = work
            switch ended {
            case .over: break
            case .cancelled: work = .over(wasCancelled: true)
            case .expected, .task, .other: work = .over(wasCancelled: false)
            }
            return ended
        }
        withExtendedLifetime(ended) {}
    }

    /// What is to be cancelled.
    private func takeForCancelling() -> Work {
        work.withLock { work in
            let taken = work
            // What is over stays so.
            if case .over = taken { return taken }
            work = .cancelled
            return taken
        }
    }
}
