// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The turn of one thread of a transport at work of which there may be any amount.
package protocol WorkTurn: Sendable {
    /// How many things to do at most.
    var most: Int { get }
    /// Whether others do what is left: one thing has taken long.
    var isOver: Bool { get }
    /// Others wait behind the first thing, which is about to be done.
    func othersWait()
}

/// A transport's task executor that also does what is no task's.
package protocol TransportExecutor: TaskExecutor {
    /// Has `work` done, after all that came before.
    ///
    /// - Parameter work: takes the next of the things there are to do, and gives back how many: at least one if there is one.
    ///   Before it begins the first it says whether others wait, and before each other one it looks whether its turn is over.
    ///   It is called until no others have waited; several threads may be at it at the same time. It may be called when
    ///   there is nothing left to do.
    func enqueue(_ work: @escaping @Sendable (any WorkTurn) -> Int)
}

/// A transport whose threads do work.
package protocol WorkingTransport: Transport {
    /// Those threads; nil when they have ended.
    var workThreads: (any TransportExecutor)? { get }
}
