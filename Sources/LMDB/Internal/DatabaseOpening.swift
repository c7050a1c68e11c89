// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Sees to it that no two transactions of a process have opened databases that are not known to all yet.
///
/// LMDB gives new databases the next free slot of a table, and writes it down when the transaction ends. Two
/// transactions that do so at a time would get the same slot.
struct DatabaseOpening: ~Copyable {
    /// The transaction that has opened databases; 0 when there is none.
    private let opener = Atomic<UInt>(0)

    /// A write transaction, by its number; odd, which the address of a read transaction is not.
    static func writer(_ number: UInt) -> UInt { number << 1 | 1 }

    /// Returns whether a transaction may open databases, until `end` is called for it.
    func begin(_ transaction: UInt) -> Bool {
        var current = opener.load(ordering: .relaxed)
        while current != transaction {
            // Another writer has ended if this is one, as there is one at a time.
            let isOver = current & transaction & 1 == 1
            guard current == 0 || isOver else { return false }
            let result = opener.compareExchange(
                expected: current,
                desired: transaction,
                ordering: .acquiringAndReleasing
            )
            current = result.exchanged ? transaction : result.original
        }
        return true
    }

    /// Whether a transaction has opened databases.
    @inline(__always)
    func isOpener(_ transaction: UInt) -> Bool {
        opener.load(ordering: .relaxed) == transaction
    }

    /// Called after the end of a transaction, which may have opened databases or not.
    @inline(__always)
    func end(_ transaction: UInt) {
        guard isOpener(transaction) else { return }
        _ = opener.compareExchange(expected: transaction, desired: 0, ordering: .acquiringAndReleasing)
    }
}
