// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// What a spawned body does on every backend.
@Suite(.tags(.process), .timeLimit(.minutes(5))) struct ProcessConformance {
    // MARK: Starting

    @Test(arguments: Backend.allCases)
    func aBodyCanBeStartedLater(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let process = try await context.spawn(4, start: false) { number in
                try await state.set("ran", to: number)
                return number * 2
            }
            #expect(await !process.isRunning)
            #expect(process.pid == nil)
            #expect(try await !state.contains("ran"))
            try await process.start()
            try await process.start()
            #expect(try await process.value == 8)
            #expect(try await state.get("ran", as: Int.self) == 4)
            #expect(process.pid != nil)
            try await process.start()
            #expect(try await process.value == 8)
        }
    }

    @Test(arguments: Backend.allCases)
    func aBodyStoppedBeforeItsStartNeverRuns(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let process = try await context.spawn(start: false) { try await state.set("ran", to: true) }
            await process.stop()
            try await process.start()
            await #expect(throws: CancellationError.self) { try await process.value }
            #expect(try await !state.contains("ran"))
            let abandoned = try await context.spawn(start: false) { try await state.set("ran", to: true) }
            await context.stopAll()
            await #expect(throws: CancellationError.self) { try await abandoned.value }
        }
    }

    // MARK: Ends

    @Test(arguments: Backend.allCases)
    func aBodyEndsItselfInOrder(on backend: Backend) async throws {
        try await withContext(backend) { context in
            try await context.spawn { if getpid() > 0 { throw ProcessExit() } }.value
            let number = try await context.spawn { () -> Int in if getpid() > 0 { throw ProcessExit() } else { 1 } }
            await #expect(throws: ProcessExit(code: 0)) { try await number.value }
            #expect(await number.down.reason.isNormal)
            let failing = try await context.spawn(name: "quitter", retry: RetryPolicy(5)) { throw ProcessExit(code: 7) }
            await #expect(throws: ProcessExit(code: 7)) { try await failing.value }
            let down = await failing.down
            #expect(down.name == "quitter")
            guard case .exit(code: 7) = down.reason else {
                Issue.record("\(down)")
                return
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func aMonitorTellsOnceWhyAProcessEnded(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let good = try await context.spawn { 1 }
            let bad = try await context.spawn(name: "bad") { throw TestFailure(reason: "burnt") }
            let stopped = try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
            let early = bad.monitor()
            await stopped.stop()
            var seen: [String] = []
            for await down in good.monitor() { seen.append("\(down.reason)") }
            for await down in early { seen.append("\(down.reason)") }
            for await down in bad.monitor() { seen.append("\(down.reason.isNormal)") }
            for await down in stopped.monitor() { seen.append("\(down.reason) \(down.reason.isNormal)") }
            #expect(seen == ["returned", "threw \(TestFailure(reason: "burnt"))", "false", "stopped true"])
        }
    }

    @Test(arguments: Backend.allCases)
    func linkedProcessesEndTogether(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let sleeper = { @Sendable () async throws in try await Task.sleep(for: .seconds(1_000)) }
            let gate = context.state
            let first = try await context.spawn {
                try await gate.first { $0.contains("go") }
                throw TestFailure(reason: "burnt")
            }
            let second = try await context.spawn(body: sleeper)
            let third = try await context.spawn(body: sleeper)
            first.link(to: second)
            third.link(to: second)
            let harmless = try await context.spawn { 1 }
            let other = try await context.spawn(body: sleeper)
            harmless.link(to: other)
            _ = try await harmless.value
            try await gate.set("go", to: true)
            await #expect(throws: CancellationError.self) { try await second.value }
            await #expect(throws: CancellationError.self) { try await third.value }
            try await other.stillRuns()
            await other.stop()
        }
    }

    @Test(arguments: Backend.allCases)
    func waitingHasItsOwnTime(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let process = try await context.spawn(name: "sleeper") { try await Task.sleep(for: .seconds(1_000)) }
            let error = try await #require(throws: ProcessTimeout.self) { try await process.wait(timeout: .zero) }
            #expect(error.running == ["sleeper"])
            let waiter = Task { try await process.wait() }
            waiter.cancel()
            await #expect(throws: CancellationError.self) { try await waiter.value }
            try await process.stillRuns()
            await process.stop()
            try await process.wait()
            try await process.wait(timeout: .zero)
        }
    }

    @Test func aResultThatCannotBeEncodedIsAnError() async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn { Stubborn(isRefusing: getpid() > 0) }
            let error = try await #require(throws: CallError.self) { try await process.value }
            #expect(error.code == .badResult)
            #expect(error.message.contains("Stubborn"))
        }
    }

    // MARK: Retries

    @Test(arguments: Backend.allCases)
    func failuresAreRetried(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let process = try await context.spawn(
                name: "third time",
                retry: RetryPolicy(5, on: .error(TestFailure.self))
            ) {
                let attempt = try await state.increment("attempts")
                if attempt < 3 { throw TestFailure(reason: "attempt \(attempt)") }
                return attempt
            }
            #expect(try await process.value == 3)
            var seen: [String] = []
            for await report in process.retries {
                seen.append("\(report.attempt) \((report.error as? TestFailure)?.reason ?? "?") \(report.name ?? "?")")
            }
            #expect(seen == ["1 attempt 1 third time", "2 attempt 2 third time"])
        }
    }

    @Test(arguments: Backend.allCases)
    func onlyWhatIsAskedForIsRetriedAndNoMoreOften(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let others = try await context.spawn(retry: RetryPolicy(nil, on: .error(OtherFailure.self))) {
                try await state.increment("others")
                throw TestFailure(reason: "not this")
            }
            await #expect(throws: TestFailure(reason: "not this")) { try await others.value }
            #expect(try await state.get("others", as: Int.self) == 1)

            let policy = RetryPolicy(2, delay: .constant(.milliseconds(1)), on: .where { $0 is TestFailure })
            let stubborn = try await context.spawn(retry: policy) {
                throw TestFailure(reason: "\(try await state.increment("stubborn"))")
            }
            await #expect(throws: TestFailure(reason: "3")) { try await stubborn.value }

            // Errors that do not travel are known by their type's name.
            let plain = try await context.spawn(retry: RetryPolicy(1, on: .error(PlainError.self))) {
                try await state.increment("plain")
                throw PlainError(description: "plain")
            }
            await #expect(throws: (any Error).self) { try await plain.value }
            #expect(try await state.get("plain", as: Int.self) == 2)
        }
    }

    @Test(arguments: Backend.allCases)
    func aRetryCanHaveOtherArguments(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let process = try await context.spawn(
                "first",
                1,
                retry: RetryPolicy(3),
                retryArguments: { ("again", $0.attempt * 10) }
            ) { word, number in
                if number < 20 { throw TestFailure(reason: "\(word) \(number)") }
                return "\(word) \(number)"
            }
            #expect(try await process.value == "again 20")
        }
    }

    @Test(arguments: Backend.allCases)
    func stoppingEndsTheRetries(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let pausing = try await context.spawn(retry: RetryPolicy(nil, delay: .constant(.seconds(1_000)))) {
                throw TestFailure(reason: "\(try await state.increment("pausing"))")
            }
            for await report in pausing.retries where report.attempt == 1 { break }
            await pausing.stop()
            await #expect(throws: TestFailure(reason: "1")) { try await pausing.value }
            #expect(await !pausing.isRunning)

            let looping = try await context.spawn(retry: RetryPolicy(nil)) {
                try await state.increment("looping")
                throw TestFailure(reason: "again")
            }
            try await eventually { try await state.get("looping", default: 0) > 2 }
            await looping.stop()
            let count = try await state.get("looping", default: 0)
            await #expect(throws: (any Error).self) { try await looping.value }
            #expect(try await state.get("looping", default: 0) == count)
        }
    }

    @Test(arguments: Backend.allCases)
    func eachAttemptHasItsTime(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            var options = ProcessOptions()
            options.timeout = .seconds(2)
            let process = try await context.spawn(options: options, retry: RetryPolicy(3, on: .timedOut)) {
                if try await state.increment("attempts") == 1 { try await Task.sleep(for: .seconds(1_000)) }
                return try await state.get("attempts", default: 0)
            }
            #expect(try await process.value == 2)
        }
    }

    @Test func deathIsRetriedBySignal() async throws {
        try await withContext(.processes) { context in
            let state = context.state
            let process = try await context.spawn(retry: RetryPolicy(3, on: .signal(SIGKILL))) {
                if try await state.increment("lives") < 3 { kill(getpid(), SIGKILL) }
                return try await state.get("lives", default: 0)
            }
            let before = process.pid
            #expect(try await process.value == 3)
            #expect(process.pid != before)
            let other = try await context.spawn(retry: RetryPolicy(3, on: .signal(SIGKILL))) {
                try await state.increment("others")
                kill(getpid(), SIGUSR1)
                try await Task.sleep(for: .seconds(1_000))
            }
            await #expect(throws: ProcessTermination.self) { try await other.value }
            #expect(try await state.get("others", default: 0) == 1)
        }
    }

    // MARK: Several at once

    @Test(arguments: Backend.allCases)
    func listsKeepTheirOrder(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let squares = try await context.spawnMap(1...5) { $0 * $0 }
            #expect(try await squares.values == [1, 4, 9, 16, 25])
            let pairs = try await context.spawnMap(["a", "b", "c"], 1...) { "\($0)\($1)" }
            #expect(try await pairs.values == ["a1", "b2", "c3"])
            #expect(pairs.count == 3)
            let state = context.state
            let same = try await context.spawn(2, count: 3) { try await state.increment("sum", by: $0) }
            #expect(Set(try await same.values) == [2, 4, 6])
            #expect(try await context.spawnMap([Int]()) { $0 }.values == [])
            #expect(try await context.spawn(count: -3) { 1 }.isEmpty)
        }
    }

    @Test(arguments: Backend.allCases)
    func resultsAreErrorsAsValues(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let odd = try await context.spawnMap(1...4) { number in
                if number % 2 == 0 { throw TestFailure(reason: "\(number)") }
                return number
            }
            let results = await odd.results
            #expect(results.map { try? $0.get() } == [1, nil, 3, nil])
            #expect(throws: TestFailure(reason: "4")) { try results[3].get() }
        }
    }

    @Test(arguments: Backend.allCases)
    func theFirstFailureOfAListStopsTheRest(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let list = try await context.spawnMap(0..<3) { number in
                if number == 1 { throw TestFailure(reason: "one") }
                try await Task.sleep(for: .seconds(1_000))
            }
            await #expect(throws: TestFailure(reason: "one")) { try await list.values }
            try await list.wait()
        }
    }

    @Test(arguments: Backend.allCases)
    func listsAreStartedAwaitedAndStopped(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let list = try await context.spawn(count: 3, name: "cook", start: false) {
                try await state.increment("started")
                try await Task.sleep(for: .seconds(1_000))
            }
            #expect(try await state.count() == 0)
            try await list.start()
            try await eventually { try await state.get("started", default: 0) == 3 }
            let error = try await #require(throws: ProcessTimeout.self) {
                try await list.wait(timeout: .milliseconds(1))
            }
            #expect(error.running == ["cook", "cook", "cook"])
            await list.stop()
            try await list.wait(timeout: .zero)
        }
    }

    @Test(arguments: Backend.allCases)
    func groupsGiveResultsAsTheyCome(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let order = try await context.withProcessGroup(of: Int.self) { group in
                try await group.spawn(1) { number in
                    try await state.first { $0.contains("second is done") }
                    return number
                }
                try await group.spawn(2) { $0 }
                var order: [Int] = []
                for try await number in group {
                    order.append(number)
                    if number == 2 { try await state.set("second is done", to: true) }
                }
                return order
            }
            #expect(order == [2, 1])
        }
    }

    @Test(arguments: Backend.allCases)
    func groupsAreReduced(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let (sum, rest) = try await context.withProcessGroup(of: Int.self) { group in
                for number in 1...4 { try await group.spawn(number) { $0 * $0 } }
                return (try await group.reduce(0, +), try await group.reduce(0, +))
            }
            #expect(sum == 30)
            // What has been given is not given again.
            #expect(rest == 0)
            let squares = try await context.withProcessGroup(of: Int.self) { group in
                for number in 1...4 { try await group.spawn(number) { $0 * $0 } }
                return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
            }
            #expect(squares == [1, 4, 9, 16])
            await #expect(throws: TestFailure(reason: "burnt")) {
                try await context.withProcessGroup(of: Int.self) { group in
                    try await group.spawn(1) { if $0 > 0 { throw TestFailure(reason: "burnt") } else { 1 } }
                    return try await group.reduce(0, +)
                }
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func theFirstFailureOfAGroupStopsTheRest(on backend: Backend) async throws {
        try await withContext(backend) { context in
            var rest: SpawnedProcess<Int>?
            for isIterated in [true, false] {
                await #expect(throws: TestFailure(reason: "burnt")) {
                    try await context.withProcessGroup(of: Int.self) { group in
                        rest = try await group.spawn {
                            try await Task.sleep(for: .seconds(1_000))
                            return 1
                        }
                        try await group.spawn { if getpid() > 0 { throw TestFailure(reason: "burnt") } else { 1 } }
                        if isIterated { for try await _ in group {} }
                    }
                }
                try await rest?.wait()
            }
            let cancelled = Task {
                try await context.withProcessGroup(of: Void.self) { group in
                    try await group.spawn { try await Task.sleep(for: .seconds(1_000)) }
                }
            }
            cancelled.cancel()
            await #expect(throws: (any Error).self) { try await cancelled.value }
        }
    }

    // MARK: Scopes

    @Test(arguments: Backend.allCases)
    func aScopeCanWaitForWhatItSpawned(on backend: Backend) async throws {
        var options = ContextOptions()
        options.atEnd = .wait
        let process = try await withContext(backend, options: options) { context in
            let state = context.state
            return try await context.spawn {
                // Spawned in the meantime, by somebody who is waited for.
                try await state.set("done", to: true)
                return 5
            }
        }
        #expect(try await process.value == 5)
        await #expect(throws: TestFailure(reason: "late")) {
            try await withContext(backend, options: options) { context in
                try await context.spawn { throw TestFailure(reason: "late") }
                try await context.spawn { 1 }
            }
        }
        // An error of the scope itself stops.
        await #expect(throws: OtherFailure.self) {
            try await withContext(backend, options: options) { context in
                try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
                throw OtherFailure()
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func bodiesCannotSpawnWithoutEnd(on backend: Backend) async throws {
        var options = ContextOptions()
        options.maximumDepth = 3
        try await withContext(backend, options: options) { context in
            let deepest = try await context.spawn { try await spawnItself(context, 1) }.value
            #expect(deepest == 3)
        }
        options.maximumDepth = 16
        options.maximumProcesses = 6
        try await withContext(backend, options: options) { context in
            let state = context.state
            var list: [SpawnedProcess<Void>] = []
            let error = try await #require(throws: SpawnError.self) {
                while list.count < 1_000 {
                    list.append(
                        try await context.spawn {
                            try await state.increment("running")
                            try await Task.sleep(for: .seconds(1_000))
                        }
                    )
                }
            }
            #expect(error.message.contains("maximumProcesses"))
            #expect(list.count == 6)
            // Those that are gone make room.
            await list[0].stop()
            try await eventually { (try? await context.spawn { 1 }.value) == 1 }
        }
    }

    @Test(arguments: Backend.allCases)
    func aBodyMayBlock(on backend: Backend) async throws {
        try await withContext(backend) { context in
            // More than the pool has threads.
            let blockers = try await context.spawn(count: 8, options: .blocking) {
                while !Task.isCancelled { usleep(2_000) }
                return 1
            }
            #expect(try await context.spawn { 2 }.value == 2)
            await blockers.stop(grace: .seconds(20))
            #expect(try await blockers.values == Array(repeating: 1, count: 8))
        }
    }

    @Test func whatNeedsAProcessIsRefusedOnThreads() async throws {
        try await withContext(.threads) { context in
            let process = try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
            let error = try #require(throws: ProcessControlError.self) { try process.signal(SIGKILL) }
            #expect(error.message.contains("threads"))
            for change in [
                { $0.niceness = 3 }, { $0.environment = ["A": "b"] }, { $0.threadCount = 1 },
                { $0.standardOutput = .streamed }, { $0.limits.memoryByteCount = 1 },
            ] as [(inout ProcessOptions) -> Void] {
                var options = ProcessOptions()
                change(&options)
                await #expect(throws: SpawnError.self) { try await context.spawn(options: options) { 1 } }
            }
        }
    }
}

private struct OtherFailure: Error, Codable {}

private struct Stubborn: Codable, Sendable {
    var isRefusing: Bool
    func encode(to encoder: any Encoder) throws { if isRefusing { throw TestFailure(reason: "no") } }
}

/// How deep bodies got before one was refused.
private func spawnItself(_ context: Context, _ depth: Int) async throws -> Int {
    do {
        return try await context.spawn { try await spawnItself(context, depth + 1) }.value
    } catch is SpawnError {
        return depth
    }
}

extension SpawnedProcess {
    func stillRuns() throws { try #require(isRunning) }
}
