// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Things to do, of which others may come to be at any time: does the next ones, and gives back how many.
///
/// It does at least one if there is one. Before it begins the first it says whether others wait (``LoopTurn/othersWait()``), and
/// before each other one it looks whether its turn is over.
package typealias LoopWork = @Sendable (LoopTurn) -> Int

/// The turn of one thread of a loop at work.
package final class LoopTurn: Sendable {
    /// How many things to do at most, each time the work is called.
    package let most: Int
    let work: LoopWork
    private let core: LoopCore
    private let hasEnded = Atomic(false)
    /// Whether others wait behind the first thing.
    ///
    /// Only its thread looks at this and at ``leavesOthers``.
    nonisolated(unsafe) private(set) var haveOthersWaited = false
    /// Whether others are left to whoever is next.
    nonisolated(unsafe) private var leavesOthers = false

    init(at work: @escaping LoopWork, atMost most: Int, in core: LoopCore) {
        self.work = work
        self.most = most
        self.core = core
    }

    /// Whether others do what is left: one thing has taken long.
    package var isOver: Bool { hasEnded.load(ordering: .relaxed) }

    /// Others wait behind the one that the work is about to do.
    package func othersWait() {
        haveOthersWaited = true
        // Whoever it is that does them need not wait for this thread.
        if leavesOthers { core.enqueueForThreads(.work(work), from: nil) }
    }

    /// Has the next things done.
    ///
    /// - Parameter leavesOthers: whether another turn is to do what is left then.
    /// - Returns: how many there were, and whether there may be more for this turn.
    func goOn(leavingOthers leavesOthers: Bool) -> (count: Int, goesOn: Bool) {
        haveOthersWaited = false
        self.leavesOthers = leavesOthers
        let count = work(self)
        return (count, haveOthersWaited && !leavesOthers && !isOver)
    }

    /// Leaves what waits to others.
    func end() { hasEnded.store(true, ordering: .relaxed) }
}
