// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A call that waits for its answer, and may be cancelled meanwhile.
final class OpenCall: Sendable {
    private enum Work {
        /// Nothing can be cancelled yet.
        case expected
        case task(Task<Void, Never>)
        case other(onCancel: @Sendable () -> Void)
        case cancelled
        /// Not open any more.
        case over
    }
    private let work: Mutex<Work>

    /// A call that a task is about to work on.
    init() { work = Mutex(.expected) }

    /// A call that no task works on.
    init(onCancel: @escaping @Sendable () -> Void) { work = Mutex(.other(onCancel: onCancel)) }

    /// Names the task, which is cancelled at once when the call has been.
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

    /// Cancels it, once.
    func cancel() {
        switch take(leaving: .cancelled) {
        case .task(let task): task.cancel()
        case .other(let onCancel): onCancel()
        case .expected, .cancelled, .over: break
        }
    }

    /// Whether it is not open any more.
    var isClosed: Bool { work.withLock { if case .over = $0 { true } else { false } } }

    /// It is not open any more: it can be cancelled no longer, and what could have been is let go.
    func close() { _ = take(leaving: .over) }

    private func take(leaving next: Work) -> Work {
        work.withLock { work in
            let taken = work
            // What is over stays so.
            if case .over = taken { return taken }
            work = next
            return taken
        }
    }
}
