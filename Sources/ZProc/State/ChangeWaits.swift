// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Calls from elsewhere that wait for the next change of a namespace: what watches are made of.
///
/// There may be very many, so none has a task: those of a namespace share one observation, and one task answers all whom a
/// change is for. Those that are at the same revision get the same bytes.
final class ChangeWaits: Sendable {
    private struct Waiter {
        let call: StateCall
        let alarm: any Cancellable
    }

    /// What is waited for.
    private struct Place: Hashable {
        let revision: Revision
        let limit: Int
    }

    private struct Namespace {
        let engine: any StateEngine
        var observation: (any Cancellable)?
        var waiters: [Place: [UInt64: Waiter]] = [:]
        var isAnswering = false
        /// Whether there has been a change since those who are answered were looked at.
        var isStale = false
    }

    private struct State {
        /// Those that somebody waits for.
        var namespaces: [EntryKey: Namespace] = [:]
        var lastNumber: UInt64 = 0
    }
    private let state = Mutex(State())

    /// How many calls wait.
    var count: Int {
        state.withLock { state in
            state.namespaces.values.reduce(0) { $1.waiters.values.reduce($0) { $0 + $1.count } }
        }
    }

    /// A call is answered after this time at the latest, with nothing: by asking again, its caller shows that it is there.
    private static let longestWait: Duration = .seconds(30)

    /// Answers a call as soon as there are changes of a namespace after a revision.
    ///
    /// - Parameters:
    ///   - call: what to answer, with changes, oldest first.
    ///   - namespace: the namespace.
    ///   - engine: keeps it.
    ///   - revision: the one before the first change wanted.
    ///   - limit: how many changes at most.
    func add(
        _ call: StateCall,
        for namespace: String,
        of engine: any StateEngine,
        after revision: Revision,
        limit: Int
    ) {
        let place = Place(revision: revision, limit: limit)
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        let alarm = AlarmClock.shared.set(after: Self.longestWait) { [weak self] in
            self?.end(
                number,
                at: place,
                of: namespace,
                with: Result { try call.system.encoder.encode([ChangeRecord]()) }
            )
        }
        let (opening, isFirst) = state.withLock { state -> (InboundCalls.Opening, Bool) in
            // What cancels it at once finds it when this is done.
            let opening = call.incoming.hold { [weak self] in
                self?.end(number, at: place, of: namespace, with: .failure(CancellationError()))
            }
            guard case .open = opening else { return (opening, false) }
            let name = EntryKey(namespace), waiter = Waiter(call: call, alarm: alarm)
            state.namespaces[name, default: Namespace(engine: engine)].waiters[place, default: [:]][number] = waiter
            return (opening, state.namespaces[name]?.observation == nil)
        }
        switch opening {
        case .open: break
        case .gone: return alarm.cancel()
        case .refused(let error):
            alarm.cancel()
            return call.incoming.fail(error, encoder: call.system.errorCoder)
        }
        if isFirst { observe(namespace, engine) }
        // There may be changes already.
        answer(namespace)
    }

    private func observe(_ namespace: String, _ engine: any StateEngine) {
        let observation = engine.observe { [weak self] in self?.answer(namespace) }
        let isSpare = state.withLock { state in
            guard let known = state.namespaces[EntryKey(namespace)], known.observation == nil else { return true }
            state.namespaces[EntryKey(namespace)]?.observation = observation
            return false
        }
        if isSpare { observation.cancel() }
    }

    /// Looks, on a task, for whom there is something.
    private func answer(_ namespace: String) {
        let mustStart = state.withLock { state in
            guard let known = state.namespaces[EntryKey(namespace)] else { return false }
            state.namespaces[EntryKey(namespace)]?.isStale = true
            state.namespaces[EntryKey(namespace)]?.isAnswering = true
            return !known.isAnswering
        }
        guard mustStart else { return }
        // Not on behalf of any one call.
        Task.detached { [self] in while answerOnce(namespace) {} }
    }

    /// - Returns: whether to look again.
    private func answerOnce(_ namespace: String) -> Bool {
        let looked = state.withLock { state -> (any StateEngine, [Place])? in
            guard let known = state.namespaces[EntryKey(namespace)] else { return nil }
            state.namespaces[EntryKey(namespace)]?.isAnswering = known.isStale
            state.namespaces[EntryKey(namespace)]?.isStale = false
            return known.isStale ? (known.engine, Array(known.waiters.keys)) : nil
        }
        guard let (engine, places) = looked else { return false }
        for place in places {
            let found: Result<[ChangeRecord], any Error> = Result {
                StateService.page(try engine.records(after: place.revision, limit: place.limit))
            }
            if case .success(let records) = found, records.isEmpty { continue }
            let waiters = take(namespace) { $0.removeValue(forKey: place)?.values.map { $0 } ?? [] }
            guard let system = waiters.first?.call.system else { continue }
            let answer = found.flatMap { records in Result { try system.encoder.encode(records) } }
            for waiter in waiters { Self.finish(waiter, with: answer) }
        }
        return true
    }

    /// Answers one that waits no longer, if it still does.
    private func end(
        _ number: UInt64,
        at place: Place,
        of namespace: String,
        with answer: Result<[UInt8], any Error>
    ) {
        let waiters = take(namespace) { waiters in
            let waiter = waiters[place]?.removeValue(forKey: number)
            if waiters[place]?.isEmpty == true { waiters[place] = nil }
            return waiter.map { [$0] } ?? []
        }
        for waiter in waiters { Self.finish(waiter, with: answer) }
    }

    private static func finish(_ waiter: Waiter, with answer: Result<[UInt8], any Error>) {
        waiter.alarm.cancel()
        waiter.call.incoming.release()
        switch answer {
        case .success(let bytes): waiter.call.incoming.succeed(bytes)
        case .failure(let error): waiter.call.incoming.fail(error, encoder: waiter.call.system.errorCoder)
        }
    }

    /// Takes waiters out; with the last of a namespace, all there is of it.
    private func take(
        _ namespace: String,
        _ choose: (inout [Place: [UInt64: Waiter]]) -> [Waiter]
    ) -> [Waiter] {
        let (taken, ended) = state.withLock { state -> ([Waiter], Namespace?) in
            guard var known = state.namespaces.removeValue(forKey: EntryKey(namespace)) else { return ([], nil) }
            let taken = choose(&known.waiters)
            if known.waiters.isEmpty { return (taken, known) }
            state.namespaces[EntryKey(namespace)] = known
            return (taken, nil)
        }
        ended?.observation?.cancel()
        return taken
    }
}
