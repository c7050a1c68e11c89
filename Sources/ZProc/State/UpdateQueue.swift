// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Small updates that others ask for: those that have come together are committed together.
///
/// Any thread that has handed its calls over commits what all have put down, and answers.
final class UpdateQueue: Sendable {
    private typealias Waiting = (update: UpdateInTurn, call: StateCall)

    private struct State {
        /// How many threads are handing calls over.
        var collectors = 0
        var waiting: [Waiting] = []

        mutating func take() -> [Waiting] {
            defer { waiting = [] }
            return waiting
        }
    }
    private let store: any StateStore
    private let state = Mutex(State())
    /// More are several commits: others want to write, too.
    private static let mostTogether = 32

    init(_ store: any StateStore) { self.store = store }

    /// Has updates wait that are put down while `calls` runs, and then makes them.
    func collect(during calls: () -> Void) {
        state.withLock { $0.collectors += 1 }
        calls()
        let due = state.withLock { state in
            state.collectors -= 1
            return state.take()
        }
        commit(due)
    }

    /// Makes an update, now or with others that have come with it, and answers the call.
    func put(_ update: UpdateInTurn, for call: StateCall) {
        let due = state.withLock { state -> [Waiting]? in
            if state.collectors == 0 { return nil }
            state.waiting.append((update, call))
            return state.waiting.count >= Self.mostTogether ? state.take() : []
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

    private func commit(_ update: UpdateInTurn, for call: StateCall) {
        do {
            let answer = try update.engine.updateNow(by: update.origin, once: update.request, update.body)
            // Nil when it would have to wait.
            if let answer { call.incoming.succeed(answer) } else { call.respond(to: update) }
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
