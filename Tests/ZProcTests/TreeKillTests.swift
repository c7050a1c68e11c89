// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// A tree of processes, each level three times as wide as the one above; one node after the other is killed.
///
/// `ZPROC_TREE_KILLS` says how many nodes are killed, each in a tree of its own: by default one of each level, up to all
/// 40 of a tree of depth 4.
@Suite(.tags(.process, .fault), .timeLimit(.minutes(15))) struct TreeKillTests {
    static let width = 3, depth = 4

    @Test func whateverNodeIsKilledItsDescendantsGoAndNothingStays() async throws {
        let paths = Self.paths(), count = min(Environment.number("ZPROC_TREE_KILLS", default: Self.depth), paths.count)
        // One of each level first, then all the others.
        let firsts = (0..<Self.depth).compactMap { level in paths.first { $0.count == level + 1 } }
        let victims = (firsts + paths.filter { !firsts.contains($0) }).prefix(count)
        var slowest = Duration.zero
        try await withContext(.processes) { context in
            let directory = try directory(of: context), before = files(in: directory)
            for victim in victims {
                let root = try await grow(context)
                let snapshot = try await context.state.snapshot()
                let pids = try Dictionary(
                    uniqueKeysWithValues: snapshot.keys.map { ($0, try snapshot.get($0, default: 0)) }
                )
                #expect(pids.count == paths.count)
                let clock = ContinuousClock(), start = clock.now
                kill(pid_t(try #require(pids[victim])), SIGKILL)
                for (path, pid) in pids where path.hasPrefix(victim) {
                    try await eventually(within: .seconds(1)) { !isAlive(pid) }
                }
                slowest = max(slowest, clock.now - start)
                for (path, pid) in pids where !path.hasPrefix(victim) { #expect(isAlive(pid), "\(path) of \(victim)") }
                await root.stop(grace: .seconds(5))
                for pid in pids.values { try await eventually(within: .seconds(1)) { !isAlive(pid) } }
                // No zombies: orphans are reaped by the system's first process, when it comes to it.
                for pid in pids.values { try await eventually { !exists(pid) } }
                try await context.state.clear()
            }
            // The next start leaves nothing of those that could not tidy up.
            _ = try await context.spawn { 1 }.value
            #expect(files(in: directory) == before)
        }
        print("killed \(victims.count) of \(paths.count) nodes; the slowest subtree was gone after \(slowest)")
    }

    /// The names of all nodes, such as `a` and `aab`.
    private static func paths() -> [String] {
        var paths = ["a"], level = ["a"]
        for _ in 1..<depth {
            level = level.flatMap { path in ["a", "b", "c"].prefix(width).map { path + $0 } }
            paths += level
        }
        return paths
    }

    private func grow(_ context: Context) async throws -> SpawnedProcess<Void> {
        let root = try await context.spawn { try await node(context, "a") }
        try await context.state.first { $0.count == Self.paths().count }
        return root
    }

    private func directory(of context: Context) throws -> String {
        let socket = try context.address.dropFirst("ipc://".count)
        return String(socket[..<(socket.lastIndex(of: "/") ?? socket.endIndex)])
    }
}

private func node(_ context: Context, _ path: String) async throws {
    try await context.state.set(path, to: Int(getpid()))
    if path.count < TreeKillTests.depth {
        for branch in ["a", "b", "c"].prefix(TreeKillTests.width) {
            try await context.spawn { try await node(context, path + branch) }
        }
    }
    try await Task.sleep(for: .seconds(1_000))
}
