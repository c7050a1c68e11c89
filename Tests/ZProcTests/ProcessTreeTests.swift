// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

@Suite(.tags(.process, .fault), .timeLimit(.minutes(5))) struct ProcessTreeTests {
    /// A body with two children, one of them with a child; all of them block.
    private static func growTree(_ context: Context) async throws -> SpawnedProcess<Void> {
        let process = try await context.spawn {
            let state = context.state
            _ = try await context.spawn {
                _ = try await context.spawn {
                    try await state.set("grandchild", to: Int(getpid()))
                    while true { usleep(1_000_000) }
                }
                try await state.set("child", to: Int(getpid()))
                try await Task.sleep(for: .seconds(1_000))
            }
            _ = try await context.spawn {
                try await state.set("other", to: Int(getpid()))
                while true { usleep(1_000_000) }
            }
            try await state.set("root", to: Int(getpid()))
            try await Task.sleep(for: .seconds(1_000))
        }
        try await eventually { try await context.state.count() == 4 }
        return process
    }

    @Test(arguments: ["root", "child"])
    func nobodySurvivesTheDeathOfAnAncestor(_ victim: String) async throws {
        try await withContext(.processes) { context in
            _ = try await Self.growTree(context)
            let snapshot = try await context.state.snapshot()
            let pids = try snapshot.keys.map { ($0, try snapshot.get($0, default: 0)) }
            let gone = victim == "root" ? ["root", "child", "other", "grandchild"] : ["child", "grandchild"]
            kill(pid_t(try snapshot.get(victim, default: 0)), SIGKILL)
            let clock = ContinuousClock(), start = clock.now
            for (name, pid) in pids where gone.contains(name) {
                try await eventually(within: .seconds(1)) { !isAlive(pid) }
            }
            print("killed \(victim): \(gone.count) processes gone after \(clock.now - start)")
        }
    }

    @Test func stoppingABodyStopsItsTree() async throws {
        try await withContext(.processes) { context in
            let process = try await Self.growTree(context)
            let snapshot = try await context.state.snapshot()
            await process.stop(grace: .seconds(5))
            for key in snapshot.keys {
                let pid = try snapshot.get(key, default: 0)
                try await eventually(within: .seconds(1)) { !isAlive(pid) }
            }
        }
    }

    @Test func endedProcessesAreReaped() async throws {
        try await withContext(.processes) { context in
            for _ in 0..<10 {
                let process = try await context.spawn { Int(getpid()) }
                let pid = try await process.value
                try await eventually { !exists(pid) }
            }
        }
    }

    @Test func nothingStaysInTheRuntimeDirectory() async throws {
        let context = try Context(.processes)
        _ = try await context.spawn { try await context.spawn { 1 }.value }.value
        let socket = String(try context.address.dropFirst("ipc://".count))
        let directory = String(socket[..<(socket.lastIndex(of: "/") ?? socket.endIndex)])
        var status = stat()
        #expect(stat(directory, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        await context.shutdown()
        #expect(access(directory, F_OK) != 0)
    }
}
