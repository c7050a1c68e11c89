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

    /// A process that has watched or taken a snapshot, and does so no more, is not woken for what others commit.
    @Test func whoWatchesNoMoreIsLeftAlone() async throws {
        try await withContext(.processes) { context in
            let state = context.state
            try await state.set("number", to: 0)
            let process = try await context.spawn {
                _ = try await state.snapshot()
                _ = try await state.first("number", equals: 0)
                try await state.set("has watched", to: true)
                try await Task.sleep(for: .seconds(1_000))
            }
            _ = try await state.first("has watched", equals: true)
            let processID = try #require(process.pid)
            // It gives itself its name.
            try await eventually { Self.monitorThread(of: processID) != nil }
            let thread = try #require(Self.monitorThread(of: processID))
            let before = try #require(Self.wakeUps(of: thread))
            let count = 3_000
            for _ in 0..<count { try await state.update { $0["number", default: 0] += 1 } }
            let after = try #require(Self.wakeUps(of: thread))
            #expect(after - before < count / 10, "woken \(after - before) times for \(count) commits")
            await process.stop()
        }
    }

    /// The folder of the thread that waits for commits in a process.
    private static func monitorThread(of processID: Int) -> String? {
        let tasks = "/proc/\(processID)/task"
        return files(in: tasks).map { "\(tasks)/\($0)" }.first { thread in
            (try? read("\(thread)/comm", limit: 64))?.hasPrefix("zproc-state") == true
        }
    }

    /// How often a thread has slept.
    private static func wakeUps(of thread: String) -> Int? {
        let lines = (try? read("\(thread)/status", limit: 8_192))?.split(separator: "\n")
        return lines?.first { $0.hasPrefix("voluntary") }?.split(separator: "\t").last.flatMap { Int($0) }
    }
}
