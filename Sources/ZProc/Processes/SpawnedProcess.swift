// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import ZProcCore

/// A body that runs elsewhere: in a process of its own, or on a task of this one. Made by `context.spawn`.
///
/// It runs whether or not anybody holds or awaits this; leaving the context's scope stops it.
public actor SpawnedProcess<Value: Sendable> {
    /// The name given to `spawn`.
    public nonisolated let name: String?
    /// What it writes to its standard output, where ``ProcessOptions/standardOutput`` is `.streamed`; else nothing.
    public nonisolated let standardOutput: ProcessOutput
    /// What it writes to its standard error, where ``ProcessOptions/standardError`` is `.streamed`; else nothing.
    public nonisolated let standardError: ProcessOutput

    nonisolated let life: ProcessLife<Value>

    init(_ life: ProcessLife<Value>, output: ProcessOutput, error: ProcessOutput) {
        name = life.name
        standardOutput = output
        standardError = error
        self.life = life
    }

    /// The operating system's number of the process the body runs, or last ran, in; on `.threads` that of this one.
    ///
    /// Nil before it has been started; another one for each retry.
    public nonisolated var pid: Int? { life.processID }

    /// What the body returned.
    ///
    /// Waits for it; every later time gives the same.
    ///
    /// Cancelling the task that waits stops the process, as a structured child task would be.
    ///
    /// - Throws: what the body threw, as the same type when that is `Codable`, else as ``RemoteError``;
    ///   ``ProcessTermination`` as soon as the process ends in another way.
    public nonisolated var value: Value {
        get async throws {
            life.observe()
            // The body's own end is awaited even when this task is cancelled.
            return try await withTaskCancellationHandler {
                try await life.outcome.settled().get().get()
            } onCancel: {
                Task { await life.stop(grace: Self.grace) }
            }
        }
    }

    /// What ``value`` gives or throws, as a value.
    public nonisolated var result: Result<Value, any Error> {
        get async {
            do { return .success(try await value) } catch { return .failure(error) }
        }
    }

    /// Waits until nothing of it runs any more, however it ended.
    ///
    /// Cancelling ends the wait, and nothing else.
    ///
    /// - Parameter timeout: how long to wait; nil for ever.
    /// - Throws: `CancellationError`; ``ProcessTimeout`` when it still runs after `timeout`.
    public nonisolated func wait(timeout: Duration? = nil) async throws {
        guard let timeout else { return try await life.ended.value() }
        guard try await life.ended.isSettled(within: timeout) else {
            throw ProcessTimeout(timeout: timeout, running: [name ?? pid.map(String.init) ?? "not started"])
        }
    }

    /// Whether it has been started and has not ended yet.
    public var isRunning: Bool { life.isRunning }

    /// Starts what was spawned with `start: false`; nothing when it has been started or stopped already.
    ///
    /// - Throws: ``SpawnError`` when the system cannot start a process; `value` throws the same then.
    public nonisolated func start() async throws { try await life.start() }

    /// Cancels the body; if the process is still there after `grace`, sends SIGTERM, and after another, SIGKILL.
    ///
    /// Returns when it has ended, and it is not retried. On `.threads` there is nothing stronger than cancelling: this
    /// waits for the body, but in the body itself, and in what that has spawned, where it returns at once.
    public func stop(grace: Duration = SpawnedProcess.grace) async { await life.stop(grace: grace) }

    /// Sends a signal to the process; one that is being started gets it then.
    ///
    /// SIGINT and SIGHUP cancel the body, and so does a first SIGTERM, of which the process dies when the body has ended.
    ///
    /// - Throws: ``ProcessControlError`` on `.threads`, where there is no process that could get it, and when the process
    ///   does not run.
    public nonisolated func signal(_ number: Int32) throws(ProcessControlError) { try life.signal(number) }

    /// The attempts that failed and were followed by another: those so far, and then each as it happens.
    ///
    /// Ends with the process. At most the last 1,000 are kept.
    public nonisolated var retries: AsyncStream<RetryReport> { life.reports() }

    /// How long ``stop(grace:)`` waits at each step unless told otherwise.
    public static var grace: Duration { .seconds(2) }
}

/// Processes still ran when the time was up.
///
/// They go on running.
public struct ProcessTimeout: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// How long was waited.
    public let timeout: Duration
    /// Which still ran: their names, or their numbers.
    public let running: [String]

    /// One line.
    public var description: String {
        "after \(timeout) still running: \(running.joined(separator: ", ")); wait again, or stop them"
    }
}

extension Promise {
    /// Whether it is settled, at the latest after `time`.
    ///
    /// - Throws: `CancellationError`.
    func isSettled(within time: Duration) async throws -> Bool { try await Self.isAnySettled([self], within: time) }

    /// Whether one of several is settled, at the latest after `time`.
    ///
    /// - Throws: `CancellationError`.
    static func isAnySettled(_ promises: [Promise], within time: Duration) async throws -> Bool {
        if promises.contains(where: { $0.result != nil }) { return true }
        let isLate = Promise<Void>()
        let alarm = AlarmClock.shared.set(after: time) { isLate.settle() }
        defer { alarm.cancel() }
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            for promise in promises {
                group.addTask {
                    // The wait throws when it is cancelled, but also what the promise holds.
                    _ = try? await promise.value()
                    try Task.checkCancellation()
                    return true
                }
            }
            group.addTask {
                try await isLate.value()
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }
}
