// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc

/// A baker bakes, and a hundred eaters eat five cookies each; none is lost, and none is eaten twice.
@main struct CookieEater {
    static let eaters = 100, appetite = 5

    static func main() async throws {
        try await withContext(Backend.chosen) { context in
            let state = context.state
            let plate = Key<Int>("cookies on the plate"), eaten = Key<Int>("cookies eaten")

            // Watches from before there is anything to see.
            async let watched = context.spawn {
                var baked = 0
                for try await change in state.changes(from: .beginning) {
                    if change.after[plate, default: 0] > change.before[plate, default: 0] { baked += 1 }
                    if change.after[eaten, default: 0] == eaters * appetite { break }
                }
                return baked
            }.value

            let baker = try await context.spawn {
                for _ in 0..<(eaters * appetite) { try await state.increment(plate) }
            }

            // Ten at a time, as the machine bears.
            for first in stride(from: 0, to: eaters, by: 10) {
                var guests: [SpawnedProcess<Void>] = []
                for number in first..<(first + 10) {
                    guests.append(
                        try await context.spawn(number) { number in
                            for _ in 0..<appetite { try await takeCookie(from: plate, to: eaten, in: state) }
                            try await state.set("eater \(number)", to: "full")
                        }
                    )
                }
                for guest in guests { try await guest.value }
            }
            try await baker.value

            let end = try await state.snapshot()
            try expect("cookies eaten", end[eaten, default: 0], eaters * appetite)
            try expect("cookies left", end[plate, default: 0], 0)
            try expect("eaters full", end.count - 2, eaters)
            try expect("cookies seen coming from the oven", try await watched, eaters * appetite)
        }
    }

    /// Takes one cookie, as soon as there is one that nobody else takes.
    static func takeCookie(from plate: Key<Int>, to eaten: Key<Int>, in state: SharedState) async throws {
        while true {
            let isMine = try await state.update { draft in
                guard draft[plate, default: 0] > 0 else { return false }
                draft[plate, default: 0] -= 1
                draft[eaten, default: 0] += 1
                return true
            }
            if isMine { return }
            try await state.first { $0[plate, default: 0] > 0 }
        }
    }
}
