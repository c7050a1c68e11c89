// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import ZProcCore

/// Small updates that others ask for: those that have come together are committed together.
///
/// The thread that hands calls over commits what they have put down, and answers.
final class UpdateQueue: Sendable {
    /// What a thread is collecting; used by that thread alone.
    private final class Collection: @unchecked Sendable {
        let thread: pthread_t
        /// Each with the call that it answers, at the same place.
        var updates: [UpdateInTurn] = []
        var calls: [StateCall] = []

        init(_ thread: pthread_t) { self.thread = thread }
    }
    private let store: any StateStore
    private let collections = Mutex<[Collection]>([])
    /// More are several commits: others want to write, too.
    private static let mostTogether = 32

    init(_ store: any StateStore) { self.store = store }

    /// Has updates wait that are put down while `calls` runs, on this thread, and then makes them.
    func collect(during calls: () -> Void) {
        let collection = Collection(pthread_self())
        collections.withLock { $0.append(collection) }
        calls()
        collections.withLock { collections in
            if let place = collections.lastIndex(where: { $0 === collection }) { collections.remove(at: place) }
        }
        commit(collection)
    }

    /// Makes an update, now or with others that have come with it, and answers the call.
    func put(_ update: consuming UpdateInTurn, for call: StateCall) {
        let thread = pthread_self()
        let collection = collections.withLock { collections in
            collections.last { pthread_equal($0.thread, thread) != 0 }
        }
        guard let collection else { return commit(update, for: call) }
        collection.updates.append(update)
        collection.calls.append(call)
        if collection.calls.count >= Self.mostTogether { commit(collection) }
    }

    private func commit(_ collection: Collection) {
        let updates = collection.updates, calls = collection.calls
        // An answer may have more put down.
        (collection.updates, collection.calls) = ([], [])
        if calls.count > 1, let answers = store.updateNow(updates) {
            for place in calls.indices { Self.answer(calls[place], answers[place]) }
        } else {
            for place in calls.indices { commit(updates[place], for: calls[place]) }
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
