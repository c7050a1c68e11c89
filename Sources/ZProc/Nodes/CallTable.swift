// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import ZProcCore

/// Matches replies to waiting calls.
///
/// Never suspends, locks, reads a clock or calls out.
package struct CallTable<Waiter> {
    /// By the numbers of the calls: types of keys cost a new process a search each, and this one is used elsewhere.
    private var waiting: [UInt64: Waiter] = Dictionary(room: 4)
    private var lastID: UInt64 = 0

    package init() {}

    /// How many calls wait for a reply.
    package var count: Int { waiting.count }

    /// The number for the next call.
    package mutating func makeID() -> CallID {
        lastID += 1
        return CallID(lastID)
    }

    /// Keeps who waits for the reply to `id`.
    package mutating func add(_ waiter: Waiter, for id: CallID) {
        waiting[id.number] = waiter
    }

    /// A reply came; nil for one that nobody waits for any more, or a second one.
    package mutating func receivedReply(to id: CallID) -> Waiter? {
        waiting.removeValue(forKey: id.number)
    }

    /// The caller gave up; nil when the reply was faster.
    package mutating func cancelled(_ id: CallID) -> Waiter? {
        waiting.removeValue(forKey: id.number)
    }

    /// No more replies will come; gives everybody who waits, oldest call first.
    package mutating func connectionClosed() -> [Waiter] {
        defer { waiting.removeAll() }
        return waiting.sorted { $0.key < $1.key }.map(\.value)
    }
}
