// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Whether, how often and when something that failed is tried again.
///
///     RetryPolicy(3, delay: .exponential(from: .milliseconds(100)), on: .error(OvenError.self), .signal(SIGKILL))
///
/// Cancellation is never retried.
public struct RetryPolicy: Sendable {
    /// Which failures are worth another try.
    public struct Condition: Sendable {
        let holds: @Sendable (any Error) -> Bool

        /// Failures that `predicate` holds for.
        public static func `where`(_ predicate: @escaping @Sendable (any Error) -> Bool) -> Condition {
            Condition(holds: predicate)
        }

        /// Any failure but cancellation.
        public static var anyError: Condition { Condition { !($0 is CancellationError) } }

        /// Errors of this type, also when they come from another process and are not `Codable`.
        public static func error<Failure: Error>(_ type: Failure.Type) -> Condition {
            let name = String(reflecting: type)
            return Condition { $0 is Failure || ($0 as? any ErrorStandIn)?.typeName == name }
        }

        /// This very error.
        public static func error<Failure: Error & Equatable & Sendable>(_ error: Failure) -> Condition {
            Condition { $0 as? Failure == error }
        }
    }

    /// How long to wait before the next try.
    public struct Delay: Hashable, Sendable, Codable {
        /// Before the first retry.
        public var first: Duration
        /// What the wait is multiplied with for each further one.
        public var factor: Double
        /// The longest wait.
        public var ceiling: Duration
        /// Which part of the wait is left to chance, 0 to 1, so that many who failed at once do not return at once.
        public var jitter: Double

        /// Makes a delay of its parts; what makes no sense, such as a negative factor, counts as 0.
        public init(first: Duration, factor: Double, ceiling: Duration, jitter: Double) {
            self.first = first
            self.factor = factor
            self.ceiling = ceiling
            self.jitter = jitter
        }

        /// At once.
        public static var none: Delay { .constant(.zero) }

        /// The same each time.
        public static func constant(_ delay: Duration) -> Delay {
            Delay(first: delay, factor: 1, ceiling: delay, jitter: 0)
        }

        /// Longer each time.
        ///
        /// - Parameters:
        ///   - first: before the first retry.
        ///   - factor: what it is multiplied with for each further one.
        ///   - ceiling: the longest.
        ///   - jitter: which part is left to chance, 0 to 1.
        /// - Returns: the delay.
        public static func exponential(
            from first: Duration,
            factor: Double = 2,
            ceiling: Duration = .seconds(30),
            jitter: Double = 0.5
        ) -> Delay {
            Delay(first: first, factor: factor, ceiling: ceiling, jitter: jitter)
        }

        /// How long to wait before retry number `retry`, from 1.
        package func duration(before retry: Int, random: inout some RandomNumberGenerator) -> Duration {
            let ceiling = Self.sensible(self.ceiling / .seconds(1))
            let growth = pow(Self.sensible(factor), Double(max(0, retry.subtractingReportingOverflow(1).partialValue)))
            var seconds = Self.sensible(first / .seconds(1)) * growth
            seconds = seconds.isFinite ? min(seconds, ceiling) : ceiling
            let chance = min(Self.sensible(jitter), 1)
            if chance > 0 { seconds *= 1 - chance * Double.random(in: 0...1, using: &random) }
            return Duration.seconds(min(seconds, 3_000_000_000)).countable
        }

        /// 0 for what is negative or no number.
        private static func sensible(_ number: Double) -> Double { number > 0 ? number : 0 }
    }

    /// How many retries there are at most; nil for no end.
    public var maximumRetries: Int?
    /// How long to wait before each.
    public var delay: Delay
    /// Which failures are retried: those that one of these holds for.
    public var conditions: [Condition]

    /// Makes a policy.
    ///
    /// - Parameters:
    ///   - maximumRetries: how many retries there are at most, beside the first try; nil for no end.
    ///   - delay: how long to wait before each.
    ///   - conditions: which failures are retried; when there are none, any but cancellation.
    public init(_ maximumRetries: Int?, delay: Delay = .none, on conditions: Condition...) {
        self.maximumRetries = maximumRetries
        self.delay = delay
        self.conditions = conditions.isEmpty ? [.anyError] : conditions
    }

    /// One try, no more.
    public static var never: RetryPolicy { RetryPolicy(0) }

    /// Whether anything at all may be retried.
    package var retriesAny: Bool { maximumRetries.map { $0 > 0 } ?? true }

    /// How long to wait before retry number `retry`, from 1; nil when there is to be none.
    package func delay(
        before retry: Int,
        after error: any Error,
        random: inout some RandomNumberGenerator
    ) -> Duration? {
        if error is CancellationError { return nil }
        if let maximumRetries, retry > maximumRetries { return nil }
        guard conditions.contains(where: { $0.holds(error) }) else { return nil }
        return delay.duration(before: retry, random: &random)
    }
}

/// An error that stands for one of another type, from another process.
package protocol ErrorStandIn: Error {
    /// The name of the type, with its module.
    var typeName: String { get }
}
