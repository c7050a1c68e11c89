// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// When calls must have come back.
///
/// A class, because the size of an instant is known only at run time: each variable of one costs a call of the allocator.
final class CallDeadline: Sendable {
    /// That of the calls of the present task.
    @TaskLocal static var current: CallDeadline?

    let instant: ContinuousClock.Instant

    init(_ instant: ContinuousClock.Instant) { self.instant = instant }

    /// The end of a time from now on, or the deadline that holds already, whichever comes first.
    static func inside(_ time: Duration) -> ContinuousClock.Instant {
        let end = ContinuousClock.now + time
        return current.map { min($0.instant, end) } ?? end
    }
}

/// Gives calls so much time together; those they make in turn, in whatever process, share it.
///
///     let count = try await withCallDeadline(.seconds(1)) { try await counter.increment(by: 2) }
///
/// When the time is up, `body` is cancelled, which ends the wait for actors of other processes at once and tells them.
/// Actors of this process end when they notice that they are cancelled.
///
/// - Parameters:
///   - time: how long; an earlier deadline that holds already remains.
///   - body: what to do.
/// - Returns: what `body` returns.
/// - Throws: ``CallError/Code/deadlineExceeded`` when the time was up: calls may or may not have run. What `body` throws
///   before that.
public func withCallDeadline<Result: Sendable>(
    _ time: Duration,
    _ body: @escaping @concurrent @Sendable () async throws -> Result
) async throws -> Result {
    let deadline = CallDeadline.inside(time.countable)
    let isLate = Promise<Void>()
    let alarm = AlarmClock.shared.set(at: deadline) { isLate.settle() }
    defer { alarm.cancel() }
    return try await CallDeadline.$current.withValue(CallDeadline(deadline)) {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await isLate.value()
                return nil
            }
            defer { group.cancelAll() }
            // The body, or nothing when the time is up.
            if let first = try await group.next(), let result = first { return result }
            group.cancelAll()
            do {
                // What was done in spite of that is done.
                if let second = try await group.next(), let result = second { return result }
            } catch let error where !(error is CancellationError) {
                throw error
            } catch {}
            try Task.checkCancellation()
            throw CallError(
                .deadlineExceeded,
                "the calls had not come back after \(time); they may or may not have run"
            )
        }
    }
}

/// What holds for a call beside what it is.
struct CallCircumstances: Codable {
    /// How long the caller waits; nil for as long as it takes.
    var timeLeft: Duration?
    /// The caller's priority.
    var priority: UInt8

    /// Those of the present task; nil for the usual ones.
    static var current: CallCircumstances? {
        let priority = Task.currentPriority
        let deadline = CallDeadline.current
        if deadline == nil, priority == .medium { return nil }
        return CallCircumstances(timeLeft: deadline.map { max(.zero, $0.instant - .now) }, priority: priority.rawValue)
    }

    init(timeLeft: Duration?, priority: UInt8) {
        self.timeLeft = timeLeft
        self.priority = priority
    }

    /// Never negative.
    var nanosecondsLeft: Int64? { timeLeft.map { max(0, Int64(($0 / .nanoseconds(1)).rounded())) } }
    var deadline: CallDeadline? { timeLeft.map { CallDeadline(.now + $0.countable) } }
    /// The priority with a name that is nearest: the runtime ends the program for others, and this is a peer's number.
    var taskPriority: TaskPriority {
        switch priority {
        case ...13: .background
        case ...19: .low
        case ...23: .medium
        default: .high
        }
    }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        timeLeft = try container.decode(Int64?.self).map { .nanoseconds($0) }
        priority = try container.decode(UInt8.self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(nanosecondsLeft)
        try container.encode(priority)
    }
}
