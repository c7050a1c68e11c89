// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc

/// Peanuts come fast, and three workers are slow in three ways.
///
/// One takes every peanut, one only the newest, one takes its time with the first ones and then catches up.
@main struct PeanutProcessor {
    static let peanuts = 200

    static func main() async throws {
        try await withContext(Backend.chosen) { context in
            let state = context.state
            let peanut = Key<Int>("peanut")

            let buffered = try await context.spawn { try await process(state.changes(of: peanut.name)) }
            let live = try await context.spawn {
                try await process(state.changes(of: peanut.name, mode: .live)) { taken in
                    if taken == 1 { try await nap() }
                }
            }
            let hybrid = try await context.spawn {
                let changes = state.changes(of: peanut.name)
                return try await process(changes) { taken in
                    guard taken == 10 else { return }
                    try await nap()
                    changes.goLive()
                    try await state.set("caught up", to: true)
                }
            }
            try await state.first { $0["workers", default: 0] == 3 }

            for number in 1..<peanuts {
                try await state.set(peanut, to: number)
                try await Task.sleep(for: .microseconds(500))
            }
            // Whoever goes live after the last peanut would wait for one more.
            try await state.firstTruthy("caught up", timeout: .seconds(60))
            try await state.set(peanut, to: peanuts)

            let all = try await buffered.value, newest = try await live.value, both = try await hybrid.value
            try expect("buffered: every peanut, in order", all == Array(1...peanuts))
            try expect("live: \(newest.count) of \(peanuts), each newer than the last", isRising(newest))
            try expect("live: fewer than all", newest.count < peanuts)
            try expect("hybrid: the first ten, then \(both.count - 10) more", Array(both.prefix(10)) == Array(1...10))
            try expect("hybrid: fewer than all, in order", both.count < peanuts && isRising(both))
            try expect("all of them got the last one", [all, newest, both].allSatisfy { $0.last == peanuts })

            /// Takes peanuts until the last one, slowly, and tells which they were.
            @concurrent @Sendable func process(
                _ changes: Changes,
                _ taken: @concurrent @Sendable (Int) async throws -> Void = { _ in }
            ) async throws -> [Int] {
                try await state.increment("workers")
                var numbers: [Int] = []
                for try await change in changes {
                    numbers.append(change.after[peanut, default: 0])
                    if numbers.last == peanuts { break }
                    try await Task.sleep(for: .milliseconds(2))
                    try await taken(numbers.count)
                }
                return numbers
            }

            /// Lasts until half of the peanuts are there.
            @concurrent @Sendable func nap() async throws {
                try await state.first { $0[peanut, default: 0] >= peanuts / 2 }
            }
        }
    }

    static func isRising(_ numbers: [Int]) -> Bool { zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 } }
}
