// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Things to do, of which others may come to be at any time: does the next one.
///
/// Gives back whether there was one. When others wait, calls what it is given first: another thread may do them at the same
/// time.
public typealias TransportWork = @Sendable (_ othersWait: () -> Void) -> Bool

/// The threads that wait for a transport's messages, and run tasks.
public protocol TransportExecutor: TaskExecutor {
    /// Has `work` done until it says that there is nothing to do, after all that came before.
    func enqueue(work: @escaping TransportWork)
}
