// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Which calls of a caller have been taken, so that none is carried out twice.
///
/// Numbers come nearly in order. Those too far behind the highest count as taken: better a call that is refused than one
/// that is carried out again.
package struct CallWindow {
    /// How far behind the highest number one may be.
    package static let size: UInt64 = 65_536

    /// What is known of a call's number.
    package enum Arrival {
        case new
        case repeated
        /// So far behind the others that nobody remembers whether it came before.
        case tooLate
    }

    /// Every number up to this one counts as taken.
    private var floor: UInt64 = 0
    /// Whether numbers below the floor may not have been taken.
    private var hasSkipped = false
    /// Numbers above it that have been taken.
    private var taken: Set<UInt64> = []

    package init() {}

    /// Takes a call, when it is new.
    package mutating func take(_ id: CallID) -> Arrival {
        let number = id.number
        guard number > floor else { return hasSkipped ? .tooLate : .repeated }
        if number == floor + 1 {
            floor = number
            closeUp()
            return .new
        }
        guard taken.insert(number).inserted else { return .repeated }
        if number - floor > Self.size {
            floor = number - Self.size
            hasSkipped = true
            taken = taken.filter { $0 > floor }
            closeUp()
        }
        return .new
    }

    private mutating func closeUp() {
        while taken.remove(floor &+ 1) != nil { floor += 1 }
    }
}
