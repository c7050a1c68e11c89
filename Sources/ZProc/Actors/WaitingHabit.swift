// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Whether a method is likely to return without waiting for anything, by what became of its last calls.
///
/// A method that waits is tried again after more and more calls, since each trial costs it a hand-over to another thread. To find
/// somebody in the actor is to wait, too; so those calls do not count that may have found only such calls there as
/// were made while the method was taken for one that waits.
///
/// Callers count at the same time, and may lose a count: a habit is all it is.
package final class WaitingHabit: Sendable {
    /// How many calls are still to be taken for ones that wait.
    private let callsUntilTrial = Atomic(0)
    /// How many there will be of these after the next failure.
    private let pause = Atomic(WaitingHabit.shortestPause)
    /// How many calls may wait without being counted as failures.
    private let indulgence = Atomic(WaitingHabit.firstIndulgence)
    /// How many calls that were taken for ones that wait have not ended.
    private let waiting = Atomic(0)

    private static let shortestPause = 16
    private static let longestPause = 16_384
    /// Before the first call of a method has returned any number of others may have come.
    private static let firstIndulgence = 1_024

    package init() {}

    /// Says for the next call whether it is likely not to wait.
    package func expectsNoWait() -> Bool {
        let left = callsUntilTrial.load(ordering: .relaxed)
        if left == 0 { return true }
        callsUntilTrial.store(left - 1, ordering: .relaxed)
        if left == 1 { indulgence.store(waiting.load(ordering: .relaxed) + 1, ordering: .relaxed) }
        return false
    }

    /// Told what became of a call that was likely not to wait: as soon as it waits, or ends.
    package func learn(waits: Bool) {
        let last = pause.load(ordering: .relaxed)
        guard waits else {
            if last != Self.shortestPause { pause.store(Self.shortestPause, ordering: .relaxed) }
            return
        }
        // Those that came with one that has failed say nothing new.
        guard callsUntilTrial.load(ordering: .relaxed) == 0 else { return }
        let left = indulgence.load(ordering: .relaxed)
        if left > 0 { return indulgence.store(left - 1, ordering: .relaxed) }
        callsUntilTrial.store(last, ordering: .relaxed)
        pause.store(min(last * 2, Self.longestPause), ordering: .relaxed)
    }

    /// A call that is taken for one that waits has begun.
    package func beginsWaiting() { waiting.add(1, ordering: .relaxed) }

    /// It has ended.
    package func endsWaiting() { waiting.subtract(1, ordering: .relaxed) }
}
