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
    /// Which of the ``size`` numbers above it have been taken: a bit for each, at its place modulo the size; empty until
    /// a number comes out of order.
    private var taken: [UInt64] = []

    package init() {}

    /// Takes a call, when it is new.
    package mutating func take(_ id: CallID) -> Arrival {
        let number = id.number
        guard number > floor else { return hasSkipped ? .tooLate : .repeated }
        if number - floor > Self.size { skip(to: number - Self.size) }
        if number == floor + 1 {
            floor = number
        } else {
            if taken.isEmpty { taken = [UInt64](repeating: 0, count: Int(Self.size / 64)) }
            let (word, bit) = Self.place(of: number)
            guard taken[word] & bit == 0 else { return .repeated }
            taken[word] |= bit
        }
        closeUp()
        return .new
    }

    /// Gives up what is not above a new floor, which takes as long however many calls there were.
    private mutating func skip(to newFloor: UInt64) {
        hasSkipped = true
        defer { floor = newFloor }
        if taken.isEmpty { return }
        guard newFloor - floor < Self.size else {
            for word in taken.indices { taken[word] = 0 }
            return
        }
        var number = floor + 1
        while number <= newFloor {
            let (word, bit) = Self.place(of: number)
            if bit == 1, newFloor - number >= 63 {
                taken[word] = 0
                number += 64
            } else {
                taken[word] &= ~bit
                number += 1
            }
        }
    }

    private mutating func closeUp() {
        if taken.isEmpty { return }
        while floor < .max {
            let (word, bit) = Self.place(of: floor + 1)
            guard taken[word] & bit != 0 else { return }
            taken[word] &= ~bit
            floor += 1
        }
    }

    private static func place(of number: UInt64) -> (word: Int, bit: UInt64) {
        (Int(number % size / 64), 1 << (number % 64))
    }
}
