// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Answers the calls of one kind that come to a node.
protocol Service: Sendable {
    /// What callers know it by.
    static var name: String { get }

    /// Answers now, or starts work that answers later. Runs on the transport's thread and must not block it.
    func handle(_ call: IncomingCall)

    /// What a caller must be allowed to do who calls a method, where keys say who may do what.
    func role(for method: String) -> Role

    /// Whether its methods have names of its own, and this is one; metrics count those one by one.
    func has(_ method: String) -> Bool
}

extension Service {
    /// What runs code is for those who may run code.
    func role(for method: String) -> Role { .runner }
    func has(_ method: String) -> Bool { false }
}

/// A call that waits for its answer.
///
/// Answer it exactly once.
struct IncomingCall: Sendable {
    let method: String
    let arguments: [UInt8]
    let caller: Caller
    /// Names what the call changes, where it may come again.
    let request: UpdateRequest?
    let id: CallID
    let inbound: InboundCalls
    /// What metrics and traces want to know of it; nil when nobody does.
    let observation: CallObservation?

    /// Answers with the bytes of a result.
    func succeed(_ result: [UInt8]) {
        guard result.count <= Envelope.maximumByteCount else {
            let text = "the result of \(method) has \(result.count) bytes, of at most \(Envelope.maximumByteCount)"
            return inbound.reply(.failure(id, WireError(code: "tooLarge", message: text)), to: self)
        }
        inbound.reply(.success(id, result: result), to: self)
    }

    /// Answers with an error.
    func fail(_ error: any Error, encoder: ErrorCoder) {
        inbound.reply(.failure(id, encoder.encode(error)), to: self)
    }

    /// Keeps the call open without a task, until it is released.
    ///
    /// - Parameter onCancel: called once when the caller gives up or is lost.
    /// - Returns: whether it is open; if not, it is not released either.
    func hold(onCancel: @escaping @Sendable () -> Void) -> InboundCalls.Opening {
        inbound.hold(self, onCancel: onCancel)
    }

    /// It is about to be answered.
    func release() { caller.close(id) }

    /// Cancels what its caller waits for, and forgets the caller.
    func callerHasGone() { inbound.listenerLost(caller.peer) }

    /// Does the work on a task of its own, off the transport's thread, and answers with what it returns or throws.
    ///
    /// The task is cancelled when the caller gives up or is lost.
    func respond(encoder: ErrorCoder, _ work: @concurrent @escaping @Sendable () async throws -> [UInt8]) {
        inbound.start(self) {
            do {
                succeed(try await work())
            } catch {
                fail(error, encoder: encoder)
            }
        }
    }
}
