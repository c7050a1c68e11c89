// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProc

@Suite(.tags(.state, .process), .timeLimit(.minutes(5))) struct ReactionTests {
    @Test(arguments: Backend.allCases, StateWay.all)
    func bodiesReactToChangesFromTheCallOn(on backend: Backend, _ way: StateWay) async throws {
        try await withContext(backend, state: way.options) { context in
            let state = context.state
            let process = try await context.onChange(of: "cookies") { change in
                try await state.append(change.after["cookies", default: 0], to: "seen")
                if change.after["cookies", default: 0] == 9 { throw ProcessExit() }
            }
            // The process may not have started yet.
            for number in 0..<10 { try await state.set("cookies", to: number) }
            try await process.value
            #expect(try await state.get("seen") == Array(0..<10))
        }
    }

    @Test(arguments: Backend.allCases)
    func bodiesReactToStates(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            func log(_ name: String) -> @Sendable (Snapshot) async throws -> Void {
                { snapshot in try await state.append(snapshot["n"] ?? "none", to: name) }
            }
            var processes: [SpawnedProcess<Void>] = []
            processes.append(
                try await context.onWhen("n", equals: 5, count: 1) { try await state.set("equal", to: $0["n"]) }
            )
            processes.append(
                try await context.onWhenAvailable("n", count: 1) { try await state.set("available", to: $0["n"]) }
            )
            processes.append(
                try await context.onWhenTruthy("n", count: 1) { try await state.set("truthy", to: $0["n"]) }
            )
            processes.append(
                try await context.onWhenNotNil("n", count: 1) { try await state.set("notNil", to: $0["n"]) }
            )
            processes.append(try await context.onWhenNil("n", count: 1) { _ in try await state.set("nil", to: true) })
            processes.append(
                try await context.onWhenFalsy("n", count: 1) { _ in try await state.set("falsy", to: true) }
            )
            processes.append(
                try await context.onWhen("n", notEquals: 7, count: 1) { _ in try await state.set("notEqual", to: true) }
            )
            let limit = 3
            processes.append(
                try await context.onWhen(count: 1) {
                    $0["n", default: 0] > limit
                } body: {
                    try await state.set("above", to: $0["n"])
                }
            )
            for number in [0, 2, 5] { try await state.set("n", to: number) }
            for process in processes { try await process.value }
            #expect(
                try await state.items() == [
                    "n": 5, "equal": 5, "available": 0, "truthy": 2, "notNil": 0, "nil": true, "falsy": true,
                    "notEqual": true, "above": 5,
                ]
            )
        }
    }

    @Test func aBodyThatThrowsEndsWithItsErrorAndAStoppedOneQuietly() async throws {
        try await withContext(.processes) { context in
            let state = context.state
            let failing = try await context.onChange { _ in throw TestFailure(reason: "seen") }
            try await state.set("n", to: 1)
            await #expect(throws: TestFailure(reason: "seen")) { try await failing.value }
            let idle = try await context.onChange(of: "never") { _ in }
            await idle.stop()
            #expect(await !idle.isRunning)
        }
    }
}
