// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Everything a context has started and that still runs.
final class ProcessTable: Sendable {
    /// Who is stopped before whom when the context ends.
    enum Rank: Int, CaseIterable {
        /// Would start again what is stopped under it.
        case supervisor
        /// Spawned bodies and hosts of actors.
        case process
    }

    private struct Entry {
        let process: any Stoppable
        let rank: Rank
        /// Nil for what lasts until it is stopped.
        let ending: Ending?
        let number: UInt64
        /// The supervisor that has started it, and might start it again.
        let supervisor: ObjectIdentifier?
    }

    /// What those who wait for everything want to know.
    struct Ending: Sendable {
        /// Settled with its end, or the error that it ended of.
        let end: Promise<Void>
        /// Whether somebody else knows, or will, what it ended of.
        let isObserved: Flag
        /// Whether it has not been started, so that it may never end.
        let isIdle: @Sendable () -> Bool
    }

    /// The bodies that the present task runs within, on `.threads`, and their supervisors: they would wait for themselves.
    @TaskLocal static var ancestors: [ObjectIdentifier] = []

    private struct State {
        /// The child processes, whatever they are for.
        var children: [UInt64: ChildProcess] = [:]
        var entries: [ObjectIdentifier: Entry] = [:]
        /// Failures of what has ended that nobody may have seen, in no order.
        var failures: [(number: UInt64, error: any Error, isObserved: Flag)] = []
        var lastNumber: UInt64 = 0
        /// Whether a child was killed, whose descendants may have left their sockets behind.
        var hasLeftSockets = false
        var isClosed = false

        var others: [Entry] {
            let own = ProcessTable.ancestors
            return entries.filter { key, entry in
                // What belongs to a supervisor that goes on is that one's business.
                !own.contains(key) && entry.supervisor.map(own.contains) != true
            }.map(\.value)
        }
    }
    private let state = Mutex(State())

    /// Enters a child that is about to be started; nil when the context has ended.
    func makeChild(name: String?) -> ChildProcess? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            state.lastNumber += 1
            let child = ChildProcess(token: state.lastNumber, name: name)
            state.children[child.token] = child
            return child
        }
    }

    func child(_ token: UInt64) -> ChildProcess? { state.withLock { $0.children[token] } }
    func remove(_ child: ChildProcess) { state.withLock { _ = $0.children.removeValue(forKey: child.token) } }
    func leavesSockets() { state.withLock { $0.hasLeftSockets = true } }
    /// Whether a child was killed since this was asked last.
    func mayHaveLeftSockets() -> Bool {
        state.withLock { state in
            defer { state.hasLeftSockets = false }
            return state.hasLeftSockets
        }
    }

    var childCount: Int { state.withLock { $0.children.count } }

    /// The numbers and names of the child processes that run, the oldest first.
    var childNames: [(processID: Int, name: String)] {
        state.withLock { $0.children.values.sorted { $0.token < $1.token } }
            .filter { $0.isRunning && $0.processID > 0 }.map { ($0.processID, $0.name ?? "process \($0.token)") }
    }

    /// Stops a child process by its number; false when there is none.
    func stopChild(_ processID: Int, grace: Duration) async -> Bool {
        guard let child = state.withLock({ $0.children.values.first { $0.processID == processID && $0.isRunning } })
        else { return false }
        await child.stop(grace: grace)
        return true
    }

    /// What became of the wish to enter something.
    enum Insertion {
        case entered
        /// There are as many as there may be.
        case full
        /// The context has ended.
        case closed
    }

    /// Enters what is stopped with the context; false when the context has ended.
    func insert(_ process: any Stoppable, rank: Rank, ending: Ending? = nil) -> Bool {
        insert(process, rank: rank, ending: ending, limit: .max) == .entered
    }

    /// Enters what is stopped with the context, unless there are too many.
    ///
    /// - Parameters:
    ///   - process: what is entered.
    ///   - rank: who is stopped before it.
    ///   - ending: what those want to know who wait for everything; nil for what lasts until it is stopped.
    ///   - limit: how many there may be with it.
    /// - Returns: whether it was entered.
    func insert(_ process: any Stoppable, rank: Rank, ending: Ending?, limit: Int) -> Insertion {
        let supervisor = Spawning.isSupervised ? Self.ancestors.last : nil
        return state.withLock { state in
            guard !state.isClosed else { return .closed }
            // Counted here and not before: others spawn at the same time.
            guard state.entries.count < limit else { return .full }
            state.lastNumber += 1
            state.entries[ObjectIdentifier(process)] = Entry(
                process: process,
                rank: rank,
                ending: ending,
                number: state.lastNumber,
                supervisor: supervisor
            )
            return .entered
        }
    }

    /// Settled one by one when those have gone whose values are known already.
    func departures() -> [Promise<Void>] {
        state.withLock { $0.entries.values.map(\.process) }.compactMap(\.departure)
    }

    /// How many failures are kept that nobody has asked for.
    private static let failureLimit = 1_000

    func remove(_ process: any Stoppable) {
        state.withLock { state in
            guard let entry = state.entries.removeValue(forKey: ObjectIdentifier(process)), let ending = entry.ending,
                case .failure(let error)? = ending.end.result, !ending.isObserved.isRaised,
                state.failures.count < Self.failureLimit
            else { return }
            state.failures.append((entry.number, error, ending.isObserved))
        }
    }

    /// Waits for everything that runs, and for what is started in the meantime, but for the bodies it is called in.
    ///
    /// - Throws: the first error, in the order of starts, that nobody has seen; when all have ended.
    func waitForAll() async throws {
        while let end = state.withLock({ $0.others.compactMap(\.ending) }).first(where: { !$0.isIdle() })?.end {
            // Whoever settles it removes the entry, perhaps a moment after it can be seen.
            _ = try? await end.value()
            try Task.checkCancellation()
            await Task.yield()
        }
        let failures = state.withLock { state in
            defer { state.failures = [] }
            return state.failures
        }
        let unseen = failures.filter { !$0.isObserved.isRaised }
        if let first = unseen.min(by: { $0.number < $1.number }) { throw first.error }
    }

    /// Stops everything there is, but for the bodies it is called in: supervisors first, then the others, all at once.
    func stopAll(grace: Duration) async {
        for rank in Rank.allCases {
            let running = state.withLock { $0.others.filter { $0.rank == rank }.map(\.process) }
            await stop(running, grace)
        }
    }

    /// Stops everything, and lets nothing more be started.
    func close(grace: Duration) async {
        state.withLock { $0.isClosed = true }
        await stopAll(grace: grace)
        // What nobody else stops: spare processes.
        await stop(state.withLock { Array($0.children.values) }, grace)
    }

    private func stop(_ processes: [any Stoppable], _ grace: Duration) async {
        await withDiscardingTaskGroup { group in
            for process in processes { group.addTask { await process.stop(grace: grace) } }
        }
    }
}

/// Waits for a place: whoever knows a body's value may count on the place, which is free when the body has gone.
struct PlaceWait {
    private var departures: [Promise<Void>]?

    /// Called each time there is no place.
    ///
    /// - Parameters:
    ///   - table: where the others are.
    ///   - time: how long to wait at most.
    /// - Returns: whether to look again.
    /// - Throws: `CancellationError`.
    mutating func isWorthwhile(in table: ProcessTable, within time: Duration) async throws -> Bool {
        guard let known = departures else {
            // One may have gone since there was no place. Those that are still there at the next look are waited for.
            departures = table.departures()
            return true
        }
        departures = nil
        if known.isEmpty { return false }
        return try await Promise.isAnySettled(known, within: time)
    }
}
