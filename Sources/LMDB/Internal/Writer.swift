// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// Which thread of this process has the write transaction.
///
/// A thread only ever compares with its own name, which nobody else stores, so no ordering is needed.
struct Writer: ~Copyable {
    private let thread = Atomic<UInt>(0)
    /// Changed by the writer only.
    private let count = Atomic<UInt>(0)

    var isWriting: Bool {
        thread.load(ordering: .relaxed) != 0
    }

    var isThisThread: Bool {
        thread.load(ordering: .relaxed) == pthread_self()
    }

    /// Called with LMDB's write lock; returns the number of the write transaction, which no other has.
    func begin() -> UInt {
        thread.store(pthread_self(), ordering: .relaxed)
        let number = count.load(ordering: .relaxed) &+ 1
        count.store(number, ordering: .relaxed)
        return number
    }

    /// Called before the write lock is released.
    ///
    /// The lock belongs to the thread, and LMDB would leave it locked for ever if another one ended the transaction.
    func end() {
        precondition(isThisThread, "a write transaction ends on another thread than it began on")
        thread.store(0, ordering: .relaxed)
    }
}
