// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// Lets so many in at a time; the others wait in line.
///
/// Never suspends, locks, reads a clock or calls out.
package struct Admission<Waiter> {
    private let limit: Int
    private var line: Deque<(ticket: UInt64, waiter: Waiter)> = []
    private var lastTicket: UInt64 = 0

    /// How many are in.
    package private(set) var count = 0
    /// How many wait.
    package var waitingCount: Int { line.count }

    package init(limit: Int) { self.limit = max(1, limit) }

    /// Lets somebody in, if there is room and nobody waits.
    package mutating func enter() -> Bool {
        guard count < limit, line.isEmpty else { return false }
        count += 1
        return true
    }

    /// A ticket for somebody who is going to wait.
    package mutating func makeTicket() -> UInt64 {
        lastTicket += 1
        return lastTicket
    }

    /// Has somebody wait; false when there is room after all, and then they are in.
    package mutating func wait(_ waiter: Waiter, ticket: UInt64) -> Bool {
        if enter() { return false }
        line.append((ticket, waiter))
        return true
    }

    /// Somebody leaves; gives who is in now in their place, if anybody waited.
    package mutating func leave() -> Waiter? {
        if let next = line.popFirst() { return next.waiter }
        count -= 1
        return nil
    }

    /// Somebody no longer wants to wait; nil when they do not wait any more.
    package mutating func abandon(_ ticket: UInt64) -> Waiter? {
        guard let index = line.firstIndex(where: { $0.ticket == ticket }) else { return nil }
        return line.remove(at: index).waiter
    }

    /// Gives all who wait, first come first; they are not let in.
    package mutating func close() -> [Waiter] {
        defer { line = [] }
        return line.map(\.waiter)
    }
}
