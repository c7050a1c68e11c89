// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Things to do, of which others may come to be at any time: does the next ones.
///
/// Does at most as many as it is told, at least one if there is one, and gives back how many. When others wait than the
/// first of them, it calls what it is given before it begins: another thread may do them at the same time.
public typealias TransportWork = @Sendable (_ most: Int, _ othersWait: () -> Void) -> Int

/// The threads that wait for a transport's messages, and run tasks.
public protocol TransportExecutor: TaskExecutor {
    /// Has `work` done until it says that there is nothing to do, after all that came before.
    func enqueue(work: @escaping TransportWork)
}
