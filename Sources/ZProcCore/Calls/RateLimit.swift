// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Lets through so many in a second, and at most a second's worth at once (a token bucket).
///
/// Never suspends, locks, reads a clock or calls out.
package struct RateLimit {
    private let perSecond: Double
    private var tokens: Double
    private var last: ContinuousClock.Instant?

    package init(perSecond: Int) {
        self.perSecond = Double(max(1, perSecond))
        tokens = self.perSecond
    }

    /// Whether one more may pass now.
    package mutating func take(now: ContinuousClock.Instant) -> Bool {
        if let last, now > last { tokens = min(perSecond, tokens + (now - last) / .seconds(1) * perSecond) }
        last = now
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
