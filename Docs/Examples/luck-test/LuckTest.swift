// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc

/// A die is thrown until everybody has had the luck, good or bad, that they wait for.
@main struct LuckTest {
    static func main() async throws {
        try await withContext(Backend.chosen) { context in
            let state = context.state
            let die = Key<Int>("die")

            // Everybody waits before the first throw.
            let lucky = try await context.spawn {
                try await state.increment("players")
                return try await state.first { $0[die, default: 0] == 6 }.revision
            }
            let unlucky = try await context.spawn {
                try await state.increment("players")
                return try await state.first { $0[die, default: 0] == 1 }.revision
            }
            let dreamer = try await context.spawn {
                try await state.increment("players")
                do {
                    try await state.first(timeout: .milliseconds(300)) { $0[die, default: 0] == 13 }
                    return "threw 13"
                } catch let error as StateError where error.code == .timedOut {
                    return "went home"
                }
            }
            try await state.first { $0["players", default: 0] == 3 }

            let thrower = try await context.spawn {
                while !Task.isCancelled {
                    try await state.set(die, to: .random(in: 1...6))
                    try await Task.sleep(for: .milliseconds(1))
                }
            }
            print("good luck at revision \(try await lucky.value), bad luck at \(try await unlucky.value)")
            try expect("the dreamer", try await dreamer.value, "went home")
            await thrower.stop()
            try expect("the die shows one to six", (1...6).contains(try await state.get(die) ?? 0))
        }
    }
}
