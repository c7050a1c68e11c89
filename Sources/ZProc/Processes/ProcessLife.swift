// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Glibc
internal import Synchronization
internal import ZProcCore

/// The life of a spawned body: from its start through its attempts to its end.
final class ProcessLife<Value: Sendable>: Stoppable {
    /// Starts an attempt, given the last one's number and error if there was one.
    typealias Launch = @Sendable (_ failure: RetryReport?) async throws -> any Attempt<Value>

    private enum Phase {
        case idle
        case starting
        case running(any Attempt<Value>)
        /// Between two attempts.
        case pausing(Task<Void, Never>, lastError: any Error)
        case ended
    }

    /// Who gets a signal.
    private enum Signalling { case now(any Attempt<Value>), later, never }

    /// What there is to stop.
    private enum Stop { case nothing, attempt(any Attempt<Value>), life(any Error) }

    private struct State {
        /// Nil at the end.
        var launch: Launch?
        var phase = Phase.idle
        var processID: Int?
        var attemptCount = 0
        var reports: [RetryReport] = []
        var listeners = Listeners<RetryReport>()
        /// Set when no attempt is to follow: the grace of the stop.
        var stopGrace: Duration?
        /// Signals for an attempt that is being started.
        var early: [Int32] = []
    }

    let name: String?
    let outcome = Promise<BodyValue<Value>>()
    /// Settled when nothing runs any more, nor will.
    let ended = Promise<Void>()
    /// The same, with what it failed of; settled before.
    let ending = Promise<Void>()
    private let retry: RetryPolicy
    private let state: Mutex<State>
    /// The bodies it is spawned within, on `.threads`.
    private let ancestors = ProcessTable.ancestors

    /// How many reports of failed attempts are kept for those who ask late.
    private static var reportLimit: Int { 1_000 }

    init(name: String?, retry: RetryPolicy, launch: @escaping Launch) {
        self.name = name
        self.retry = retry
        state = Mutex(State(launch: launch))
    }

    private var label: String { name.map { "'\($0)'" } ?? "a body" }

    /// Whether anybody knows, or wants to, what it came to.
    let isObserved = Flag()
    func observe() { isObserved.raise() }

    /// Whether somebody has stopped it, or wants to.
    var isStopped: Bool { state.withLock { $0.stopGrace != nil } }
    var processID: Int? { state.withLock { $0.processID } }
    var isRunning: Bool {
        state.withLock { state in
            switch state.phase {
            case .idle, .ended: false
            case .starting, .running, .pausing: true
            }
        }
    }

    var departure: Promise<Void>? { outcome.result != nil && ended.result == nil ? ended : nil }

    /// Whether it has not been started, nor stopped.
    var isIdle: Bool { state.withLock { if case .idle = $0.phase { true } else { false } } }

    /// Starts it, unless somebody has done that or stopped it.
    func start() async throws {
        let isMine = state.withLock { state in
            guard case .idle = state.phase else { return false }
            state.phase = .starting
            return true
        }
        if isMine { try await attempt(after: nil) }
    }

    func stop(grace: Duration) async {
        // Who stops it knows, too.
        observe()
        let next = state.withLock { state -> Stop in
            state.stopGrace = grace
            switch state.phase {
            case .starting, .ended: return .nothing
            case .running(let attempt): return .attempt(attempt)
            case .idle:
                state.phase = .ended
                return .life(CancellationError())
            case .pausing(let task, let lastError):
                task.cancel()
                state.phase = .ended
                return .life(lastError)
            }
        }
        // A body on `.threads` that stops itself, or one it is within, must not wait for its own end.
        let isWithin = ProcessTable.ancestors.contains(ObjectIdentifier(self))
        switch next {
        case .nothing: break
        case .attempt(let attempt) where isWithin: Task.immediate { await attempt.stop(grace: grace) }
        case .attempt(let attempt): await attempt.stop(grace: grace)
        case .life(let error): finish(.failure(error))
        }
        if !isWithin { _ = await ended.settled() }
    }

    func signal(_ number: Int32) throws(ProcessControlError) {
        let next = state.withLock { state -> Signalling in
            switch state.phase {
            case .running(let attempt): return .now(attempt)
            case .starting:
                state.early.append(number)
                return .later
            case .idle, .pausing, .ended: return .never
            }
        }
        switch next {
        case .now(let attempt): try attempt.signal(number)
        case .later: break
        case .never: throw ProcessControlError("\(label) does not run, so it gets no signals")
        }
    }

    /// What was retried so far, and what will be.
    func reports() -> AsyncStream<RetryReport> {
        state.withLock { state in
            let isEnded = if case .ended = state.phase { true } else { false }
            return state.listeners.add(after: state.reports, limit: Self.reportLimit, isLast: isEnded) {
                [weak self] number in self?.state.withLock { $0.listeners.remove(number) }
            }
        }
    }

    // MARK: Attempts

    private func attempt(after failure: RetryReport?) async throws {
        let attempt: any Attempt<Value>
        do {
            guard let launch = state.withLock({ $0.launch }) else { throw CancellationError() }
            attempt = try await ProcessTable.$ancestors.withValue(ancestors + [ObjectIdentifier(self)]) {
                try await launch(failure)
            }
        } catch {
            // What kept it from running at all is less than what it failed of.
            end(.failure(failure?.error ?? error))
            throw error
        }
        let (grace, early) = state.withLock { state in
            state.phase = .running(attempt)
            state.processID = attempt.processID
            state.attemptCount += 1
            defer { state.early = [] }
            return (state.stopGrace, state.early)
        }
        for signal in early { try? attempt.signal(signal) }
        attempt.outcome.whenSettled { [self] result in done(attempt, result) }
        if let grace { Task { await attempt.stop(grace: grace) } }
    }

    /// The body has come to an end; its process perhaps not yet.
    private func done(_ attempt: any Attempt<Value>, _ result: Result<BodyValue<Value>, any Error>) {
        guard case .failure(let error) = result, retry.retriesAny else { return settle(attempt, result) }
        // What decides may be the user's code, and this thread is the transport's.
        Task { [self] in
            guard let report = report(on: error, processID: attempt.processID) else { return settle(attempt, result) }
            attempt.exit.whenSettled { [self] _ in pause(report) }
        }
    }

    private func settle(_ attempt: any Attempt<Value>, _ result: Result<BodyValue<Value>, any Error>) {
        outcome.settle(clean(result))
        attempt.exit.whenSettled { [self] _ in end(result) }
    }

    /// A report when there is to be another attempt.
    private func report(on error: any Error, processID: Int) -> RetryReport? {
        if error is ProcessExit || Interruption.shared.isEnding { return nil }
        let (number, isStopped) = state.withLock { ($0.attemptCount, $0.stopGrace != nil) }
        var random = SystemRandomNumberGenerator()
        guard !isStopped, let delay = retry.delay(before: number, after: error, random: &random) else { return nil }
        let report = RetryReport(attempt: number, name: name, processID: processID, error: error, delay: delay)
        Log.process.notice(
            "\(report)",
            metadata: Log.facts([.process: processID, .name: name, .attempt: number, .error: error])
        )
        state.withLock { state in
            state.reports.append(report)
            if state.reports.count > Self.reportLimit { state.reports.removeFirst() }
            state.listeners.yield(report)
        }
        return report
    }

    private func pause(_ report: RetryReport) {
        let isStopped = state.withLock { state in
            if state.stopGrace != nil { return true }
            state.phase = .pausing(
                Task {
                    try? await Task.sleep(for: report.delay)
                    guard resume() else { return }
                    do {
                        try await attempt(after: report)
                    } catch {
                        Log.process.error(
                            "attempt \(report.attempt + 1) of \(label) was not possible: \(error)",
                            metadata: Log.facts([.name: name, .attempt: report.attempt + 1, .error: error])
                        )
                    }
                },
                lastError: report.error
            )
            return false
        }
        if isStopped { end(.failure(report.error)) }
    }

    private func resume() -> Bool {
        state.withLock { state in
            guard case .pausing = state.phase else { return false }
            state.phase = .starting
            return true
        }
    }

    private func end(_ result: Result<BodyValue<Value>, any Error>) {
        state.withLock { $0.phase = .ended }
        finish(result)
    }

    private func finish(_ result: Result<BodyValue<Value>, any Error>) {
        outcome.settle(clean(result))
        state.withLock { state in
            // With it go the closure and its arguments.
            state.launch = nil
            return state.listeners.removeAll()
        }.finish()
        ending.settle(clean(result).map { _ in })
        ended.settle()
    }

    /// A body without a value that ends in order has returned.
    private func clean(_ result: Result<BodyValue<Value>, any Error>) -> Result<BodyValue<Value>, any Error> {
        if case .failure(let error) = result, (error as? ProcessExit)?.code == 0, let nothing = () as? Value {
            return .success(.value(nothing))
        }
        return result
    }
}

/// A failed attempt that is followed by another.
public struct RetryReport: Sendable, CustomStringConvertible {
    /// The attempt's number, from 1.
    public let attempt: Int
    /// The name given to `spawn`, if one was.
    public let name: String?
    /// The process the attempt was made in.
    public let processID: Int
    /// What it failed of.
    public let error: any Error
    /// How long the next one is waited for.
    public let delay: Duration

    /// One line: which attempt failed, why, and when there is another.
    public var description: String {
        "attempt \(attempt) of \(name.map { "'\($0)'" } ?? "a body") (process \(processID)) failed, "
            + "trying again in \(delay): \(error)"
    }
}
