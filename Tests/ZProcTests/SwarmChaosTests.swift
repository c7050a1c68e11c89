// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// Workers that are killed at random while they work.
@Suite(.tags(.process, .fault), .timeLimit(.minutes(60))) struct SwarmChaosTests {
    /// `ZPROC_SWARM_ITEMS` says how many items, `ZPROC_SWARM_KILLS` how many deaths there are meanwhile; the long run is
    /// 1,000,000 items with 100.
    @Test func randomDeathsChangeNoResult() async throws {
        var random = SeededRandom.announced("swarm chaos")
        let itemCount = Environment.number("ZPROC_SWARM_ITEMS", default: 200_000)
        let killCount = Environment.number("ZPROC_SWARM_KILLS", default: 10)
        try await withContext(.processes) { context in
            let swarm = try context.swarm(workers: 3)
            var options = MapOptions()
            // Three deaths in a row may hit the same items by chance.
            options.maximumDeaths = 100
            var killed = 0
            // A map may be done before as many have been killed: for a moment there may be no worker to kill.
            repeat {
                killed += try await map(itemCount, killCount, on: swarm, options, &random)
            } while killed < killCount
            print("\(killed) workers killed during \(itemCount) items")
        }
    }

    /// Checks every result of a map whose workers are killed meanwhile; gives how many were.
    private func map(
        _ itemCount: Int,
        _ killCount: Int,
        on swarm: Swarm,
        _ options: MapOptions,
        _ random: inout SeededRandom
    ) async throws -> Int {
        let results = try swarm.mapLazy(0..<itemCount, options: options) { number in
            var hash = UInt64(bitPattern: Int64(number))
            for _ in 0..<200 { hash = (hash ^ (hash >> 29)) &* 0xbf58_476d_1ce4_e5b9 }
            return hash
        }
        var seen = 0, killed = 0
        for try await hash in results {
            var expected = UInt64(bitPattern: Int64(seen))
            for _ in 0..<200 { expected = (expected ^ (expected >> 29)) &* 0xbf58_476d_1ce4_e5b9 }
            if hash != expected { Issue.record("item \(seen) is wrong") }
            seen += 1
            if seen > (killed + 1) * itemCount / (killCount + 2), let pid = swarm.pids.randomElement(using: &random) {
                kill(pid_t(pid), SIGKILL)
                killed += 1
            }
        }
        #expect(seen == itemCount)
        return killed
    }
}
