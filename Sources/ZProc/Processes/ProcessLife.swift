// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Logging
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

    /// What there is to stop.
    private enum Stop { case nothing, attempt(any Attempt<Value>), life(any Error) }

    private struct State {
        var phase = Phase.idle
        var processID: Int?
        var attemptCount = 0
        var reports: [RetryReport] = []
        var listeners: [AsyncStream<RetryReport>.Continuation] = []
        /// Whether anybody wants to know what it came to.
        var isObserved = false
        /// Set when no attempt is to follow: the grace of the stop.
        var stopGrace: Duration?
    }

    let name: String?
    let outcome = Promise<BodyValue<Value>>()
    /// Settled when nothing runs any more, nor will.
    let ended = Promise<Void>()
    /// The same, with what it failed of; settled before.
    let ending = Promise<Void>()
    private let retry: RetryPolicy
    private let launch: Launch
    private let state = Mutex(State())

    /// How many reports of failed attempts are kept for those who ask late.
    private static var reportLimit: Int { 1_000 }

    init(name: String?, retry: RetryPolicy, launch: @escaping Launch) {
        self.name = name
        self.retry = retry
        self.launch = launch
    }

    /// Whether anybody wants to know, or has asked, what it came to.
    var isObserved: Bool { state.withLock { $0.isObserved } }
    func observe() { state.withLock { $0.isObserved = true } }

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
        switch next {
        case .nothing: break
        case .attempt(let attempt): await attempt.stop(grace: grace)
        case .life(let error): finish(.failure(error))
        }
        _ = await ended.settled()
    }

    func signal(_ number: Int32) throws(ProcessControlError) {
        let attempt = state.withLock { state in
            if case .running(let attempt) = state.phase { attempt } else { nil as (any Attempt<Value>)? }
        }
        guard let attempt else {
            throw ProcessControlError("\(name.map { "'\($0)'" } ?? "the process") does not run, so it gets no signals")
        }
        try attempt.signal(number)
    }

    /// What was retried so far, and what will be.
    func reports() -> AsyncStream<RetryReport> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: RetryReport.self,
            bufferingPolicy: .bufferingNewest(Self.reportLimit)
        )
        state.withLock { state in
            for report in state.reports { continuation.yield(report) }
            if case .ended = state.phase { continuation.finish() } else { state.listeners.append(continuation) }
        }
        return stream
    }

    // MARK: Attempts

    private func attempt(after failure: RetryReport?) async throws {
        let attempt: any Attempt<Value>
        do {
            attempt = try await launch(failure)
        } catch {
            // What kept it from running at all is less than what it failed of.
            end(.failure(failure?.error ?? error))
            throw error
        }
        let grace = state.withLock { state in
            state.phase = .running(attempt)
            state.processID = attempt.processID
            state.attemptCount += 1
            return state.stopGrace
        }
        attempt.outcome.whenSettled { [self] result in done(attempt, result) }
        if let grace { Task { await attempt.stop(grace: grace) } }
    }

    /// The body has come to an end; its process perhaps not yet.
    private func done(_ attempt: any Attempt<Value>, _ result: Result<BodyValue<Value>, any Error>) {
        if case .failure(let error) = result, let report = report(on: error, processID: attempt.processID) {
            attempt.exit.whenSettled { [self] _ in pause(report) }
            return
        }
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
        ProcessLog.logger.notice("\(report)")
        state.withLock { state in
            state.reports.append(report)
            if state.reports.count > Self.reportLimit { state.reports.removeFirst() }
            for listener in state.listeners { listener.yield(report) }
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
                    try? await attempt(after: report)
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
        let listeners = state.withLock { state in
            defer { state.listeners = [] }
            return state.listeners
        }
        for listener in listeners { listener.finish() }
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

enum ProcessLog {
    static let logger = Logger(label: "zproc.process")
}
