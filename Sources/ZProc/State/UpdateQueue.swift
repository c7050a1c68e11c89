// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import ZProcCore

/// Small updates that others ask for: those that have come together are committed together.
///
/// The thread that hands calls over commits what they have put down, and answers.
final class UpdateQueue: Sendable {
    private typealias Waiting = (update: UpdateInTurn, call: StateCall)

    /// What a thread is collecting.
    private struct Collection {
        let thread: pthread_t
        var waiting: [Waiting] = []
    }
    private let store: any StateStore
    private let collections = Mutex<[Collection]>([])
    /// More are several commits: others want to write, too.
    private static let mostTogether = 32

    init(_ store: any StateStore) { self.store = store }

    /// Has updates wait that are put down while `calls` runs, on this thread, and then makes them.
    func collect(during calls: () -> Void) {
        let thread = pthread_self()
        collections.withLock { $0.append(Collection(thread: thread)) }
        calls()
        let due = collections.withLock { collections in
            collections.lastIndex { pthread_equal($0.thread, thread) != 0 }.map { collections.remove(at: $0).waiting }
                ?? []
        }
        commit(due)
    }

    /// Makes an update, now or with others that have come with it, and answers the call.
    func put(_ update: UpdateInTurn, for call: StateCall) {
        let thread = pthread_self()
        let due = collections.withLock { collections -> [Waiting]? in
            guard let place = collections.lastIndex(where: { pthread_equal($0.thread, thread) != 0 }) else {
                return nil
            }
            collections[place].waiting.append((update, call))
            guard collections[place].waiting.count >= Self.mostTogether else { return [] }
            defer { collections[place].waiting = [] }
            return collections[place].waiting
        }
        if let due { commit(due) } else { commit(update, for: call) }
    }

    private func commit(_ due: [Waiting]) {
        if due.count > 1, let answers = store.updateNow(due.map(\.update)) {
            for (waiting, answer) in zip(due, answers) { Self.answer(waiting.call, answer) }
        } else {
            for (update, call) in due { commit(update, for: call) }
        }
    }

    /// Makes an update now, if nobody else is writing, or on a task, and answers the call.
    private func commit(_ update: UpdateInTurn, for call: StateCall) {
        do {
            let answer = try update.engine.updateNow(by: update.origin, once: update.request, update.body)
            if let answer { return call.incoming.succeed(answer) }
            // It would have to wait; this may be the thread's turn for another call.
            if let observation = call.incoming.observation {
                observation.carryOut { call.respond(to: update) }
            } else {
                call.respond(to: update)
            }
        } catch {
            Self.answer(call, .failure(error))
        }
    }

    private static func answer(_ call: StateCall, _ answer: Result<[UInt8], any Error>) {
        switch answer {
        case .success(let bytes): call.incoming.succeed(bytes)
        case .failure(let error): call.incoming.fail(error, encoder: call.system.errorCoder)
        }
    }
}
