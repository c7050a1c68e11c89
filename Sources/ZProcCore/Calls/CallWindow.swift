// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Which calls of a caller have been taken, so that none is carried out twice.
///
/// Numbers come nearly in order. Those too far behind the highest count as taken: better a call that is refused than one
/// that is carried out again.
package struct CallWindow {
    /// How far behind the highest number one may be.
    package static let size: UInt64 = 65_536

    /// Every number up to this one counts as taken.
    private var floor: UInt64 = 0
    /// Numbers above it that have been taken.
    private var taken: Set<UInt64> = []

    package init() {}

    /// Takes a call; false when it has been taken before.
    package mutating func take(_ id: CallID) -> Bool {
        let number = id.number
        guard number > floor else { return false }
        if number == floor + 1 {
            floor = number
            while taken.remove(floor &+ 1) != nil { floor += 1 }
            return true
        }
        guard taken.insert(number).inserted else { return false }
        if number - floor > Self.size {
            floor = number - Self.size
            taken = taken.filter { $0 > floor }
            while taken.remove(floor &+ 1) != nil { floor += 1 }
        }
        return true
    }
}
