// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Synchronization
internal import ZProcCore

/// Something a supervisor starts and stops.
protocol Supervised: Stoppable {
    var supervisedPID: Int? { get }
    /// Calls `action` when it has ended, also when that was before.
    func whenDown(_ action: @escaping @Sendable (ProcessDown.Reason) -> Void)
}

/// Carries out what ``Supervision`` decides, one step after the other, on a task of its own.
final class SupervisionDriver: Sendable {
    typealias Start = @Sendable () async throws -> any Supervised

    /// What a child is made of; among the ancestors of what runs in it, on `.threads`.
    private final class Specification: Sendable {
        let restart: RestartRule
        let grace: Duration
        let start: Start
        /// Called when the child is forgotten.
        let onForget: (@Sendable () -> Void)?

        init(_ restart: RestartRule, _ grace: Duration, onForget: (@Sendable () -> Void)?, start: @escaping Start) {
            self.restart = restart
            self.grace = grace
            self.start = start
            self.onForget = onForget
        }
    }

    /// A child that was started and whose end has not been seen.
    private struct Run {
        let number: UInt64
        let child: any Supervised
    }

    private enum Command {
        case add(String, Specification, Promise<Void>)
        case remove(String, Promise<Void>)
        case ended(String, incarnation: Int, run: UInt64, ProcessDown.Reason)
        case stop
    }

    private struct State {
        var core: Supervision<String>
        var specifications: [String: Specification] = [:]
        var runs: [String: Run] = [:]
        var lastRun: UInt64 = 0
        var isStopping = false
        /// Ends the start that is under way.
        var cancelStart: (@Sendable () -> Void)?
        var eventCount = 0
        var events: [SupervisionEvent] = []
        var listeners = Listeners<SupervisionEvent>()
    }

    private let name: String
    private let metrics: MetricsSlot
    private let state: Mutex<State>
    private let commands: AsyncStream<Command>.Continuation
    /// Settled when it has ended: with the error when it gave up.
    let end = Promise<Void>()

    private static let eventLimit = 1_000

    init(_ strategy: SupervisionStrategy, _ intensity: RestartIntensity, name: String, metrics: MetricsSlot) {
        self.name = name
        self.metrics = metrics
        state = Mutex(State(core: Supervision(strategy: strategy, intensity: intensity)))
        let (stream, continuation) = AsyncStream.makeStream(of: Command.self)
        commands = continuation
        // Whose deadline it is that holds where this is made does not matter to the children.
        CallDeadline.$current.withValue(nil) {
            _ = Task { [self] in for await command in stream { await carryOut(command) } }
        }
    }

    // MARK: From outside

    func add(
        _ name: String,
        _ restart: RestartRule,
        _ grace: Duration,
        onForget: (@Sendable () -> Void)? = nil,
        start: @escaping Start
    ) async throws {
        let done = Promise<Void>()
        let specification = Specification(restart, grace, onForget: onForget, start: start)
        guard send(.add(name, specification, done)) else { throw hasEnded }
        try await wait(for: done)
    }

    func remove(_ name: String) async throws {
        let done = Promise<Void>()
        let specification = state.withLock { $0.specifications[name] }
        guard send(.remove(name, done)) else { throw hasEnded }
        // It must not wait for its own end.
        if let specification, ProcessTable.ancestors.contains(ObjectIdentifier(specification)) { return }
        try await wait(for: done)
    }

    /// Waits for a command to be carried out.
    ///
    /// A body on `.threads` may be stopped by a command before, which waits for it; so being cancelled ends its wait, and
    /// a command that has not had its turn is none any more.
    private func wait(for done: Promise<Void>) async throws {
        guard isAncestor else { return try await done.settled().get() }
        do {
            try await done.value()
        } catch let error as CancellationError {
            if done.settle(.failure(error)) { throw error }
            try await done.value()
        }
    }

    /// Whether this runs within one of the children.
    private var isAncestor: Bool { ProcessTable.ancestors.contains(ObjectIdentifier(self)) }

    func stop() async {
        let cancel = state.withLock { state in
            state.isStopping = true
            return state.cancelStart
        }
        cancel?()
        _ = send(.stop)
        // A body on `.threads` that stops its own supervisor is stopped with the others, and must not wait for itself.
        if isAncestor { return }
        _ = await end.settled()
    }

    /// Whether anybody knows, or wants to, how it ends.
    let isObserved = Flag()
    func observe() { isObserved.raise() }

    var children: [SupervisedChild] {
        state.withLock { state in
            state.core.children.map { name in
                SupervisedChild(
                    name: name,
                    restart: state.specifications[name]?.restart ?? .temporary,
                    incarnation: state.core.incarnation(of: name) ?? 0,
                    pid: state.runs[name]?.child.supervisedPID,
                    isRunning: state.core.isRunning(name)
                )
            }
        }
    }

    func events() -> AsyncStream<SupervisionEvent> {
        state.withLock { state in
            state.listeners.add(after: state.events, limit: 10 * Self.eventLimit, isLast: end.result != nil) {
                [weak self] number in self?.state.withLock { $0.listeners.remove(number) }
            }
        }
    }

    private func send(_ command: Command) -> Bool {
        if case .terminated = commands.yield(command) { false } else { true }
    }

    private var hasEnded: SupervisorError {
        SupervisorError(.ended, "the supervisor '\(name)' has ended; make another one")
    }

    // MARK: On its own task

    private func carryOut(_ command: Command) async {
        switch command {
        case .add(_, _, let done) where done.result != nil: break
        case .remove(_, let done) where done.result != nil: break
        case .add(let name, let specification, let done):
            let steps = state.withLock { state -> [Supervision<String>.Step]? in
                let steps = state.core.hasEnded ? [] : state.core.add(name, restart: specification.restart)
                if steps?.isEmpty == false { state.specifications[name] = specification }
                return steps
            }
            guard let steps else {
                let text = "the supervisor '\(self.name)' has a child '\(name)' already; remove it first"
                done.settle(.failure(SupervisorError(.nameTaken, text)))
                return
            }
            if steps.isEmpty {
                done.settle(.failure(hasEnded))
            } else if let error = await carryOut(steps) {
                forgetOthers()
                done.settle(.failure(error))
            } else {
                done.settle()
            }
        case .remove(let name, let done):
            let steps = state.withLock { $0.core.incarnation(of: name) == nil ? nil : $0.core.remove(name) }
            guard let steps else {
                let text = "the supervisor '\(self.name)' has no child '\(name)'"
                done.settle(.failure(SupervisorError(.noSuchChild, text)))
                return
            }
            _ = await carryOut(steps)
            forgetOthers()
            done.settle()
        case .ended(let name, let incarnation, let run, let reason):
            let isCurrent = state.withLock { state in
                guard state.runs[name]?.number == run else { return false }
                state.runs[name] = nil
                return true
            }
            // Of one that has been stopped since.
            guard isCurrent else { return }
            report(name, incarnation, .ended(reason))
            // Of a signal that ends them all.
            if Interruption.shared.isEnding { return }
            let steps = state.withLock {
                $0.core.ended(name, incarnation: incarnation, reason.isNormal ? .normal : .abnormal, at: Self.now)
            }
            _ = await carryOut(steps)
            forgetOthers()
        case .stop:
            _ = await carryOut(state.withLock { $0.core.stop() })
            finish(.success(()))
        }
    }

    /// Carries out a plan, and those that take its place when a start fails.
    ///
    /// - Returns: why the first start failed, if it did.
    private func carryOut(_ plan: [Supervision<String>.Step]) async -> (any Error)? {
        var steps = plan[...], firstError: (any Error)?
        while let step = steps.popFirst() {
            switch step {
            case .start(let name, let incarnation):
                do {
                    try await start(name, incarnation)
                } catch {
                    if firstError == nil { firstError = error }
                    let next = state.withLock { state -> [Supervision<String>.Step]? in
                        // Whoever stops it waits; nothing is tried again.
                        if state.isStopping { return nil }
                        return state.core.failedToStart(name, incarnation: incarnation, at: Self.now)
                    }
                    guard let next else { return firstError }
                    report(name, incarnation, .failedToStart(error))
                    steps = next[...]
                    // Between two tries others have their turn.
                    await Task.yield()
                }
            case .stop(let name, let incarnation):
                let (run, grace) = state.withLock {
                    ($0.runs.removeValue(forKey: name), $0.specifications[name]?.grace ?? Context.grace)
                }
                await run?.child.stop(grace: grace)
                report(name, incarnation, .stopped)
            case .giveUp(let name, let incarnation):
                report(name, incarnation, .gaveUp)
                let text = "the supervisor '\(self.name)' has given up: '\(name)' was the last to end too often"
                finish(.failure(SupervisorError(.gaveUp, text)))
            }
        }
        return firstError
    }

    private func start(_ name: String, _ incarnation: Int) async throws {
        let task = state.withLock { state -> Task<any Supervised, any Error>? in
            guard !state.isStopping, let specification = state.specifications[name] else { return nil }
            // A task of its own, so that whoever stops the supervisor need not wait for a start that hangs. What is
            // started is within this supervisor: on `.threads`, it must not wait for it.
            let ancestors = ProcessTable.ancestors + [ObjectIdentifier(specification), ObjectIdentifier(self)]
            let task = ProcessTable.$ancestors.withValue(ancestors) {
                Spawning.$isSupervised.withValue(true) { Task { try await specification.start() } }
            }
            state.cancelStart = { task.cancel() }
            return task
        }
        guard let task else { throw hasEnded }
        defer { state.withLock { $0.cancelStart = nil } }
        let child = try await task.value
        let number = state.withLock { state in
            state.lastRun += 1
            state.runs[name] = Run(number: state.lastRun, child: child)
            state.core.started(name, incarnation: incarnation)
            return state.lastRun
        }
        report(name, incarnation, .started(pid: child.supervisedPID))
        child.whenDown { [weak self] reason in
            _ = self?.send(.ended(name, incarnation: incarnation, run: number, reason))
        }
    }

    /// Drops what belongs to children that are no more.
    private func forgetOthers() {
        let forgotten = state.withLock { state in
            let forgotten = state.specifications.filter { state.core.incarnation(of: $0.key) == nil }
            for name in forgotten.keys { state.specifications[name] = nil }
            return forgotten.values
        }
        for specification in forgotten { specification.onForget?() }
    }

    private func report(_ child: String, _ incarnation: Int, _ kind: SupervisionEvent.Kind) {
        let event = state.withLock { state in
            state.eventCount += 1
            let event = SupervisionEvent(
                number: state.eventCount,
                supervisor: name,
                child: child,
                incarnation: incarnation,
                kind: kind
            )
            state.events.append(event)
            if state.events.count > Self.eventLimit { state.events.removeFirst() }
            state.listeners.yield(event)
            return event
        }
        if incarnation > 1, case .started = kind { metrics.current?.restarted(by: name) }
        let level: Logger.Level =
            switch kind {
            case .started, .stopped: .debug
            case .ended(let reason) where reason.isNormal: .debug
            case .ended, .failedToStart: .notice
            case .gaveUp: .error
            }
        let facts = Log.facts([.supervisor: name, .child: child, .incarnation: incarnation])
        Log.supervisor.log(level: level, "\(event)", metadata: facts)
    }

    private func finish(_ result: Result<Void, any Error>) {
        forgetOthers()
        commands.finish()
        end.settle(result)
        state.withLock { $0.listeners.removeAll() }.finish()
    }

    private static let origin = ContinuousClock.now
    private static var now: Duration { .now - origin }
}

extension SupervisionDriver: Supervised {
    var supervisedPID: Int? { nil }
    func stop(grace: Duration) async { await stop() }

    func whenDown(_ action: @escaping @Sendable (ProcessDown.Reason) -> Void) {
        end.whenSettled { result in
            switch result {
            case .success: action(.stopped)
            case .failure(let error): action(.error(error))
            }
        }
    }
}

extension SpawnedProcess: Supervised {
    nonisolated var supervisedPID: Int? { pid }

    nonisolated func whenDown(_ action: @escaping @Sendable (ProcessDown.Reason) -> Void) {
        life.ended.whenSettled { [life] _ in action(life.down.reason) }
    }
}
