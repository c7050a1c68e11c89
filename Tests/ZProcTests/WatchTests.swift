// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProc

@Suite(.tags(.state), .timeLimit(.minutes(5))) struct WatchTests {
    private static func options(_ way: StateWay) -> StateOptions {
        var options = way.options
        options.history.count = WatchConformance.historyCount
        return options
    }

    @Test(arguments: Backend.allCases, StateWay.all)
    func watchesConformWhereTheStateLives(on backend: Backend, _ way: StateWay) async throws {
        try await withContext(backend, state: Self.options(way)) { try await WatchConformance.run($0.state) }
    }

    @Test(arguments: Backend.allCases, StateWay.all)
    func watchesConformInSpawnedBodies(on backend: Backend, _ way: StateWay) async throws {
        try await withContext(backend, state: Self.options(way)) { context in
            let state = context.state
            try await context.spawn { try await WatchConformance.run(state) }.value
        }
    }

    @Test func watchesEndWithTheirContext() async throws {
        let context = try Context(.processes)
        let state = context.state
        let watching = Task { for try await _ in state.changes() {} }
        let first = state.changes()
        try await state.set("n", to: 1)
        var iterator = first.makeAsyncIterator()
        _ = try await iterator.next()
        await context.shutdown()
        let error = await #expect(throws: StateError.self) { try await watching.value }
        #expect(error?.code == .unavailable)
        await #expect(throws: StateError.self) { try await state.set("n", to: 2) }
    }
}
