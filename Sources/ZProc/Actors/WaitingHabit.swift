// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Whether a method is likely to return without having waited for anything, by what became of its last calls.
///
/// A method that waits is tried again after more and more calls, each of which costs a hand-over to another thread.
final class WaitingHabit: Sendable {
    private let callsUntilTry = Atomic(0)
    private let pause = Atomic(WaitingHabit.shortest)

    private static let shortest = 16
    private static let longest = 16_384

    /// Asked before each call.
    var expectsNoWait: Bool {
        let left = callsUntilTry.load(ordering: .relaxed)
        if left <= 0 { return true }
        // Two at a time may count as one.
        callsUntilTry.store(left - 1, ordering: .relaxed)
        return false
    }

    /// Told after each call of which it was expected.
    func ended(withoutWait: Bool) {
        let last = pause.load(ordering: .relaxed)
        if withoutWait {
            if last != Self.shortest { pause.store(Self.shortest, ordering: .relaxed) }
        } else {
            callsUntilTry.store(last, ordering: .relaxed)
            pause.store(min(last * 2, Self.longest), ordering: .relaxed)
        }
    }
}
