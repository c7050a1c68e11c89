// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// Workers that die over their work, and beside it.
@Suite(.tags(.process, .fault), .timeLimit(.minutes(5))) struct SwarmFaultTests {
    @Test func whatAWorkerHadWhenItDiedIsDoneAgain() async throws {
        try await withContext(.processes) { context in
            let swarm = try context.swarm(workers: 2), state = context.state
            for place in [150, 450, 750] {
                let results = try await swarm.map(0..<1_000) { number in
                    // Once, at whatever place of its chunk.
                    if number == place, try await state.increment("died \(number)") == 1 { kill(getpid(), SIGKILL) }
                    return number * 2
                }
                #expect(results == (0..<1_000).map { $0 * 2 })
                #expect(try await state.get("died \(place)", default: 0) == 2)
            }
        }
    }

    /// What a worker had done and had not told is lost with it, so that an item may be done once for each of several deaths.
    @Test func whatSeveralWorkersHadIsDoneAgain() async throws {
        try await withContext(.processes) { context in
            let swarm = try context.swarm(workers: 2), state = context.state
            let results = try await swarm.map(0..<1_000) { number in
                if number % 300 == 150, try await state.increment("died \(number)") == 1 { kill(getpid(), SIGKILL) }
                return number * 2
            }
            #expect(results == (0..<1_000).map { $0 * 2 })
            for number in [150, 450, 750] {
                let count = try await state.get("died \(number)", default: 0)
                #expect((2...4).contains(count), "\(number): \(count)")
            }
        }
    }

    @Test func anItemThatEndsItsWorkersFailsAlone() async throws {
        try await withContext(.processes) { context in
            let swarm = try context.swarm(workers: 2)
            let results = try await swarm.mapResults(0..<500) { number in
                if number == 123 || number == 377 { kill(getpid(), SIGKILL) }
                return number
            }
            var lost: [Range<Int>?] = []
            for (number, result) in results.enumerated() {
                switch result {
                case .success(let value): #expect(value == number)
                case .failure(let error as SwarmError):
                    #expect(error.code == .workerDied)
                    lost.append(error.items)
                case .failure(let error): Issue.record("\(error)")
                }
            }
            // Whatever was in its chunk.
            #expect(lost == [123..<124, 377..<378])
            var options = MapOptions()
            options.chunkSize = 1
            options.maximumDeaths = 1
            let error = try await #require(throws: SwarmError.self) {
                try await swarm.map(0..<10, options: options) { number in
                    if number == 7 { kill(getpid(), SIGKILL) }
                    return number
                }
            }
            #expect(error.items == 7..<8)
            #expect(try await swarm.map(0..<10) { $0 } == Array(0..<10))
        }
    }

    /// The same for what ends a worker from inside: a trap, an exit, running out of memory.
    @Test func trapsAndExitsAreDeathsToo() async throws {
        try await withContext(.processes) { context in
            var options = SwarmOptions()
            options.process = .withoutBacktrace
            options.process.standardError = .discarded
            let swarm = try context.swarm(workers: 1, options: options)
            let empty: [Int] = []
            for way in 0..<2 {
                let error = try await #require(throws: SwarmError.self) {
                    try await swarm.run(way) { way in
                        if way == 0 { return empty[empty.count] }
                        exit(3)
                    }
                }
                #expect(error.code == .workerDied)
            }
            #expect(try await swarm.run { 1 } == 1)
        }
    }

    /// It is given up although nobody waits for it any more.
    @Test func anItemThatDoesNotListenToBeingCancelledLosesItsWorker() async throws {
        try await withContext(.processes) { context in
            let swarm = try context.swarm(workers: 1), state = context.state
            var options = MapOptions()
            options.itemTimeout = .seconds(1)
            let map = Task { [options] in
                try await swarm.forEach(0..<1, options: options) { _ in
                    try await state.set("started", to: Int(getpid()))
                    while true { usleep(1_000) }
                }
            }
            try await state.firstAvailable("started")
            map.cancel()
            await #expect(throws: CancellationError.self) { try await map.value }
            let pid = try await swarm.run { Int(getpid()) }
            #expect(try await state.get("started", default: 0) != pid)
        }
    }

    /// Results that are far larger than their items, and tasks whose arguments together are.
    @Test func whatIsTooLargeTogetherGoesInParts() async throws {
        try await withContext(.processes) { context in
            let swarm = try context.swarm(workers: 2)
            var options = MapOptions()
            // Altogether 192 MiB, and a message may have 128.
            options.chunkSize = 12
            let results = try await swarm.map(0..<12, options: options) { number in
                String(repeating: String(repeating: "\(number % 10)", count: 1 << 10), count: 16 << 10)
            }
            #expect(results.map(\.utf8.count) == Array(repeating: 16 << 20, count: 12))
            let large = String(repeating: "x", count: 1 << 20)
            for _ in 0..<100 { _ = try await swarm.run { 1 } }
            try await withThrowingDiscardingTaskGroup { group in
                for _ in 0..<300 {
                    group.addTask {
                        let count = try await swarm.run(large) { $0.utf8.count }
                        #expect(count == 1 << 20)
                    }
                }
            }
        }
    }

    @Test func aResultThatIsTooLargeIsNamed() async throws {
        try await withContext(.processes) { context in
            let swarm = try context.swarm(workers: 1)
            var options = MapOptions()
            options.chunkSize = 4
            let results = try await swarm.mapResults(0..<4, options: options) { number in
                String(repeating: String(repeating: "x", count: 1 << 10), count: number == 2 ? 129 << 10 : 1)
            }
            for (number, result) in results.enumerated() where number != 2 {
                #expect(try result.get().utf8.count == 1 << 10)
            }
            let error = try #require(throws: SwarmError.self) { try results[2].get() }
            #expect(error.code == .tooLarge)
            #expect(error.items == 2..<3)
            #expect(try await swarm.run { 1 } == 1)
        }
    }

    @Test func whatCannotTravelIsAnError() async throws {
        try await withContext(.processes) { context in
            let swarm = try context.swarm(workers: 1)
            let file = FileHandleLike()
            await #expect(throws: (any Error).self) { try await swarm.map(0..<3) { $0 + file.number } }
            await #expect(throws: (any Error).self) { try await swarm.map([Refusing(), Refusing()]) { _ in 1 } }
            await #expect(throws: (any Error).self) { try await swarm.map(0..<3) { _ in Refusing() } }
            #expect(try await swarm.run { 1 } == 1)
        }
    }
}

private final class FileHandleLike: Sendable {
    let number = 1
}

private struct Refusing: Codable {
    init() {}
    init(from decoder: any Decoder) throws { throw TestFailure(reason: "no") }
    func encode(to encoder: any Encoder) throws { throw TestFailure(reason: "no") }
}
