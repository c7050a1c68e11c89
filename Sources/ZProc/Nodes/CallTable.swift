// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import ZProcCore

/// Matches replies to waiting calls.
///
/// Never suspends, locks, reads a clock or calls out.
package struct CallTable<Waiter> {
    private var waiting = NumberTable<Waiter>()
    private var lastID: UInt64 = 0

    package init() {}

    /// How many calls wait for a reply.
    package var count: Int { waiting.count }

    /// The number for the next call.
    package mutating func makeID() -> CallID {
        lastID += 1
        return CallID(lastID)
    }

    /// Gives the number of a call that is over, and that the peer has forgotten, to the next one, unless others have come since.
    package mutating func takeBack(_ id: CallID) {
        if lastID == id.number, count == 0 { lastID -= 1 }
    }

    /// Keeps who waits for the reply to `id`.
    package mutating func add(_ waiter: Waiter, for id: CallID) {
        let isNew = waiting.insert(waiter, for: id.number)
        assert(isNew, "a call was added twice, and would wait for ever")
    }

    /// A call waits no longer: a reply came, or its caller gave up; nil for one that does not wait any more.
    package mutating func remove(_ id: CallID) -> Waiter? { waiting.remove(id.number) }

    /// No more replies will come; gives everybody who waits, oldest call first.
    package mutating func removeAll() -> [Waiter] { waiting.removeAll() }
}
