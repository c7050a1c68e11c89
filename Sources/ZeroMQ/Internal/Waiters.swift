// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// A task that waits for a socket.
///
/// Guarded by the socket's lock until `isDone` has been set; afterwards the waiting task alone owns it.
class Waiter: @unchecked Sendable {
    fileprivate(set) final var isDone = false
    fileprivate(set) final var result: ErrorNumber = 0
    private final var continuation: UnsafeContinuation<Void, Never>?

    /// Notes the outcome; gives back the continuation to resume after unlocking, unless the task is not suspended yet.
    final func finish(_ result: ErrorNumber) -> UnsafeContinuation<Void, Never>? {
        self.result = result
        isDone = true
        defer { continuation = nil }
        return continuation
    }

    /// Keeps the continuation, unless the outcome is there already.
    final func suspend(_ continuation: UnsafeContinuation<Void, Never>) -> Bool {
        if isDone { return false }
        self.continuation = continuation
        return true
    }
}

/// A task that waits for something to receive.
final class ReceiveWaiter: Waiter, @unchecked Sendable {
    enum Demand {
        /// One frame, into `frame`.
        case frame
        /// As many whole messages as there are, up to a limit.
        case messages(Int)
    }

    let demand: Demand
    /// Initialised when the demand is `.frame` and the result is 0.
    var frame = czeromq_frame()
    var received = MessageBatch()

    init(_ demand: Demand) {
        self.demand = demand
    }

    /// Gives away what was received.
    func takeReceived() -> MessageBatch {
        var empty = MessageBatch()
        swap(&empty, &received)
        return empty
    }
}

/// A task that waits until its messages can be sent.
final class SendWaiter: Waiter, @unchecked Sendable {
    var unsent: MessageBatch

    init(_ unsent: consuming MessageBatch) {
        self.unsent = unsent
    }
}

/// Continuations to resume once no lock is held, in order; the usual one costs no allocation.
struct Resumptions {
    private var first: UnsafeContinuation<Void, Never>?
    private var others: [UnsafeContinuation<Void, Never>] = []

    mutating func append(_ continuation: UnsafeContinuation<Void, Never>?) {
        guard let continuation else { return }
        if first == nil { first = continuation } else { others.append(continuation) }
    }

    func resume() {
        first?.resume()
        for continuation in others { continuation.resume() }
    }
}

/// Waiters in the order they came.
struct WaiterQueue<Element: Waiter> {
    private var elements: [Element] = []
    private var start = 0

    var isEmpty: Bool { start == elements.count }
    var first: Element? { isEmpty ? nil : elements[start] }

    mutating func append(_ waiter: Element) {
        elements.append(waiter)
    }

    mutating func removeFirst() {
        start += 1
        // Short rows are reused in place; long ones are closed up once half of them is empty.
        if start == elements.count {
            elements.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 64, start * 2 > elements.count {
            elements.removeFirst(start)
            start = 0
        }
    }

    mutating func remove(_ waiter: Element) -> Bool {
        guard let index = elements[start...].firstIndex(where: { $0 === waiter }) else { return false }
        elements.remove(at: index)
        if start == elements.count {
            elements.removeAll(keepingCapacity: true)
            start = 0
        }
        return true
    }

    mutating func removeAll() -> ArraySlice<Element> {
        defer { self = WaiterQueue() }
        return elements[start...]
    }

    /// Keeps the waiters that are not `isDone`, in order.
    mutating func removeDone() {
        elements.removeSubrange(..<start)
        start = 0
        elements.removeAll { $0.isDone }
    }

    func forEach(_ body: (Element) -> Void) {
        for waiter in elements[start...] { body(waiter) }
    }
}
