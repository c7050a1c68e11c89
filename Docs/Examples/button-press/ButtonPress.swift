// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc

/// One process presses a button, some wait for it, and one counts.
@main struct ButtonPress {
    static let presses = 5, visitors = 3

    static func main() async throws {
        try await withContext(Backend.chosen) { context in
            let state = context.state

            var waiting: [SpawnedProcess<String>] = []
            for number in 1...visitors {
                waiting.append(
                    try await context.spawn(number) { number in
                        let door = try await state.firstTruthy("button")
                        return "visitor \(number) enters at revision \(door.revision)"
                    }
                )
            }
            let counter = try await context.spawn {
                // Each press is two changes: down and up.
                let changes = state.changes(of: "button", count: 2 * presses)
                try await state.set("counter", to: "ready")
                var pressed = 0
                for try await change in changes where change.after.isTruthy("button") { pressed += 1 }
                return pressed
            }
            try await state.firstAvailable("counter")

            let presser = try await context.spawn {
                for _ in 0..<presses {
                    try await state.set("button", to: true)
                    try await state.set("button", to: false)
                }
                // The last visitor may be slow: hold the door.
                try await state.set("button", to: true)
            }
            try await presser.value
            for visitor in waiting { print(try await visitor.value) }
            try expect("presses counted", try await counter.value, presses)
        }
    }
}
