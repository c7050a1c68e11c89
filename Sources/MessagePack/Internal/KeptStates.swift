// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The states that a decoder or a container outlives its `decode` with, such as a decoder that a type has stored.
///
/// A container does not count as a reference to its state, so that copies of it cost nothing. So a state that one is
/// left of has to be held by somebody else: by this, until the container is gone. That is found out later, by those who
/// decode values of users' types: each looks at one state, and who adds one looks at two more. Until then the copy of
/// the message is there, and what was in the decoder's `userInfo`.
enum KeptStates {
    /// `@unchecked`: whoever has the lock is the only one to touch what no decoder and no container reads from.
    private struct Kept: @unchecked Sendable {
        var state: DecodingState
    }

    private struct States {
        var all: [Kept] = []
        /// The one that is looked at next.
        var next = 0

        /// Takes out the next one if nobody reads from it any more.
        mutating func takeNextUnused() -> Kept? {
            guard !all.isEmpty else { return nil }
            next = next < all.count - 1 ? next + 1 : 0
            guard DecodingState.isUnused(&all[next].state) else { return nil }
            all.swapAt(next, all.count - 1)
            return all.removeLast()
        }
    }

    private static let states = Mutex(States())
    private static let count = Atomic<Int>(0)

    static func add(_ state: DecodingState) {
        let kept = Kept(state: state)
        // More go than come, if they can, however many threads there are.
        _ = states.withLock { states in
            let unused = (states.takeNextUnused(), states.takeNextUnused())
            states.all.append(kept)
            count.store(states.all.count, ordering: .relaxed)
            return unused
        }
    }

    /// Lets go of one that nobody reads from any more.
    @inline(__always)
    static func dropUnused() {
        if count.load(ordering: .relaxed) != 0 { lookAtNext() }
    }

    @inline(never)
    private static func lookAtNext() {
        // Let go of without the lock: what users have put into a decoder's `userInfo` may go with it.
        _ = states.withLockIfAvailable { states in
            let unused = states.takeNextUnused()
            count.store(states.all.count, ordering: .relaxed)
            return unused
        }
    }
}
