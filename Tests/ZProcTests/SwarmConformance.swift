// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Synchronization
import Testing
import ZProc
import ZProcCore

/// What a swarm does, on every backend.
@Suite(.tags(.process), .timeLimit(.minutes(5))) struct SwarmConformance {
    // MARK: Maps

    @Test(arguments: Backend.allCases)
    func aMapKeepsTheOrder(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            #expect(try await swarm.map(0..<10_000) { $0 * $0 } == (0..<10_000).map { $0 * $0 })
            #expect(try await swarm.map([String]()) { $0.count } == [])
            #expect(try await swarm.map(["a", "bb"]) { "\($0) \($0.count)" } == ["a 1", "bb 2"])
            var options = MapOptions()
            options.order = .completion
            #expect(Set(try await swarm.map(0..<1_000, options: options) { -$0 }) == Set((0..<1_000).map { -$0 }))
            options.chunkSize = 7
            #expect(try await swarm.map(0..<100, options: options) { $0 }.sorted() == Array(0..<100))
        }
    }

    @Test(arguments: Backend.allCases)
    func sequencesAreMappedSideBySide(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            let lines = try await swarm.map(["a", "b", "c"], 1...) { name, number in "\(number) \(name)" }
            #expect(lines == ["1 a", "2 b", "3 c"])
            let sums = try await swarm.map(0..<1_000, 0..<2_000, [Int](repeating: 1, count: 500)) { $0 + $1 + $2 }
            #expect(sums == (0..<500).map { 2 * $0 + 1 })
        }
    }

    @Test(arguments: Backend.allCases)
    func closuresTakeTheirCapturesAlong(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2), state = context.state, factor = 3
            let results = try await swarm.map(1...10) { number in
                try await state.increment("calls")
                return number * factor
            }
            #expect(results == (1...10).map { $0 * 3 })
            #expect(try await state.get("calls", default: 0) == 10)
            try await swarm.forEach(1...10) { try await state.increment("sum", by: $0) }
            #expect(try await state.get("sum", default: 0) == 55)
        }
    }

    @Test(arguments: Backend.allCases)
    func resultsAreCombined(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            let even = try await swarm.compactMap(0..<100) { $0 % 2 == 0 ? $0 / 2 : nil }
            #expect(even == Array(0..<50))
            let sum = try await swarm.reduce(1...100, into: 0) {
                $0 += $1
            } transform: {
                $0 * 2
            }
            #expect(sum == 10_100)
        }
    }

    @Test(arguments: Backend.allCases)
    func inputWithoutEndStreams(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            let taken = Mutex(0)
            let source = sequence(state: 0) { (next: inout Int) -> Int? in
                next += 1
                return next
            }
            let results = try swarm.mapLazy(source) { $0 * 10 }
            var seen: [Int] = []
            for try await result in results {
                seen.append(result)
                if seen.count == 5_000 { break }
            }
            #expect(seen == (1...5_000).map { $0 * 10 })
            withExtendedLifetime(taken) {}
        }
    }

    /// Ranges with more numbers than can be counted, and sizes beyond all bounds.
    @Test(arguments: Backend.allCases)
    func oddInputIsBorne(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            func expectFirst<Number: FixedWidthInteger & Sendable>(
                _ results: SwarmResults<Number>,
                _ first: Number
            ) async throws {
                var iterator = results.makeAsyncIterator()
                for offset in 0..<1_000 {
                    #expect(try await iterator.next() == first + Number(offset))
                }
                #expect(results.progress.total == nil)
            }
            try await expectFirst(try swarm.mapLazy(0...Int.max) { $0 }, 0)
            try await expectFirst(try swarm.mapLazy(Int.min..<Int.max) { $0 }, .min)
            try await expectFirst(try swarm.mapLazy(0..<UInt64.max) { $0 }, 0)
            try await expectFirst(try swarm.mapLazy(0...UInt64.max) { $0 }, 0)
            let few = try swarm.mapLazy(Int8.min...Int8.max) { $0 }
            #expect(few.progress.total == 256)
            #expect(try await swarm.map((0..<10).lazy.map { $0 * 2 }) { $0 } == (0..<10).map { $0 * 2 })
            var options = MapOptions()
            options.chunkSize = .max
            #expect(try await swarm.map(0..<10, options: options) { $0 } == Array(0..<10))
            #expect(try await swarm.map([1, 2, 3], options: options) { $0 } == [1, 2, 3])
            #expect(throws: SpawnError.self) { try context.swarm(workers: .max) }
        }
    }

    @Test(arguments: Backend.allCases)
    func aSlowConsumerHoldsBackTheInput(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            let count = Counted()
            var options = MapOptions()
            options.window = 50
            let results = try swarm.mapLazy(CountedSequence(counted: count), options: options) { $0 }
            var iterator = results.makeAsyncIterator()
            #expect(try await iterator.next() == 1)
            try await eventually { count.value >= 50 }
            #expect(count.value <= 100)
            for number in 2...100 { #expect(try await iterator.next() == number) }
            try await eventually { count.value >= 100 }
            #expect(count.value <= 200)
        }
    }

    /// With the window that there is when none is asked for, from input of either kind.
    @Test(arguments: Backend.allCases, [false, true])
    func aSlowConsumerHoldsBackTheInputByItself(on backend: Backend, isAsync: Bool) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2), count = Counted(), results: SwarmResults<Int>
            if isAsync {
                results = try swarm.mapLazy(AsyncStream(unfolding: { count.next() })) { number in
                    usleep(1_000)
                    return number
                }
            } else {
                results = try swarm.mapLazy(CountedSequence(counted: count)) { number in
                    usleep(1_000)
                    return number
                }
            }
            var iterator = results.makeAsyncIterator()
            #expect(try await iterator.next() == 1)
            // It stands still although nobody takes anything: what is known of is done, and nothing more is read.
            try await eventually {
                let before = count.value
                try await Task.sleep(for: .milliseconds(100))
                return count.value == before && results.progress.done >= before - 64
            }
            // Of items of 1 ms a chunk has 20, and 16 chunks are on their way.
            #expect(count.value < 2_000)
            for number in 2...5_000 { #expect(try await iterator.next() == number) }
            try await eventually { count.value > 5_000 }
        }
    }

    @Test(arguments: Backend.allCases)
    func elementsMayComeWithTime(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
            let results = try swarm.mapLazy(stream) { $0 + 1 }
            var iterator = results.makeAsyncIterator()
            for number in 0..<100 {
                // Each result comes before the next element does.
                continuation.yield(number)
                #expect(try await iterator.next() == number + 1)
            }
            for number in 100..<1_000 { continuation.yield(number) }
            continuation.finish()
            for number in 100..<1_000 { #expect(try await iterator.next() == number + 1) }
            #expect(try await iterator.next() == nil)
            let failing = AsyncThrowingStream<Int, any Error> { continuation in
                for number in 0..<10 { continuation.yield(number) }
                continuation.finish(throwing: TestFailure(reason: "input"))
            }
            await #expect(throws: TestFailure(reason: "input")) { try await swarm.map(failing) { $0 } }
        }
    }

    // MARK: Tasks

    @Test(arguments: Backend.allCases)
    func tasksRunOnWorkers(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            #expect(try await swarm.run(3, 4) { $0 + $1 } == 7)
            #expect(try await swarm.run { 1 } == 1)
            #expect(try await swarm.run(1) { $0 > 1 ? $0 : nil } == nil)
            #expect(try await swarm.run(2) { $0 > 1 ? $0 : nil } == 2)
            let state = context.state
            try await swarm.run { try await state.set("ran", to: true) }
            #expect(try await state.get("ran", default: false))
            let pid = try await swarm.run { Int(getpid()) }
            #expect(swarm.pids.contains(pid))
            #expect((pid == Int(getpid())) == (backend == .threads))
            let values = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<1_000 { group.addTask { try await swarm.run(number) { $0 * 2 } } }
                return try await group.reduce(0, +)
            }
            #expect(values == 999_000)
        }
    }

    /// One worker takes many tasks with a message, some of them with the closure of the one before.
    @Test(arguments: Backend.allCases)
    func tasksOfManyKindsGoTogether(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 1)
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<300 {
                    let byte = UInt8(truncatingIfNeeded: number), name = "task \(number)"
                    group.addTask { try await swarm.run(byte) { $0 } == byte }
                    group.addTask { try await swarm.run(byte) { $0 &+ 1 } == byte &+ 1 }
                    group.addTask { try await swarm.run(number) { number &- $0 } == 0 }
                    group.addTask { try await swarm.run([byte], name) { $0 + $1.utf8 } == [byte] + name.utf8 }
                    group.addTask { try await swarm.run([[name], []]) { $0 } == [[name], []] }
                    group.addTask { try await swarm.run(Optional(name)) { $0 } == name }
                    group.addTask { try await swarm.run(Int?.none) { $0 } == nil }
                    group.addTask { try await swarm.run([1.5: name]) { $0 } == [1.5: name] }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func whatCannotBeEncodedFailsItsTaskAlone() async throws {
        try await withContext(.processes) { context in
            let swarm = try context.swarm(workers: 1)
            let failure = TestFailure(reason: "it does not like to travel")
            await #expect(throws: failure) { try await swarm.run(1, Homebody(isResult: false)) { _, _ in 1 } }
            let deep = (0..<600).reduce(Value.nil) { value, _ in .array([value]) }
            let tooDeep = try await #require(throws: MessagePackError.self) {
                try await swarm.run(1, deep) { _, _ in 1 }
            }
            #expect(tooDeep.code == .tooDeep)
            #expect(tooDeep.codingPath.first == "[1]", "it does not say which argument")
            let error = try await #require(throws: CallError.self) { try await swarm.run { Homebody(isResult: true) } }
            #expect(error.code == .badResult)
            #expect(error.description.contains(failure.reason), "\(error)")
            #expect(try await swarm.run(1) { $0 + 1 } == 2)
        }
    }

    @Test(arguments: Backend.allCases)
    func tasksHaveTimesAndAreTriedAgain(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2), state = context.state
            var options = MapOptions()
            options.timeout = .milliseconds(100)
            let late = try await #require(throws: SwarmError.self) {
                try await swarm.run(options: options) { try await Task.sleep(for: .seconds(1_000)) }
            }
            #expect(late.code == .timedOut)
            options.timeout = nil
            options.itemTimeout = .milliseconds(100)
            let slow = try await #require(throws: SwarmError.self) {
                try await swarm.run(options: options) { try await Task.sleep(for: .seconds(1_000)) }
            }
            #expect(slow.code == .timedOut)
            #expect(slow.items == 0..<1)
            options.itemTimeout = nil
            options.retry = RetryPolicy(2, delay: .constant(.milliseconds(1)), on: .error(TestFailure.self))
            let attempts = try await swarm.run("task", options: options) { name in
                let attempt = try await state.increment(name)
                if attempt < 3 { throw TestFailure(reason: "try again") }
                return attempt
            }
            #expect(attempts == 3)
            await #expect(throws: TestFailure(reason: "always")) {
                try await swarm.run(options: options) {
                    try await state.increment("tried")
                    throw TestFailure(reason: "always")
                }
            }
            #expect(try await state.get("tried", default: 0) == 3)
        }
    }

    @Test(arguments: Backend.allCases)
    func whatHasPriorityGoesFirst(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 1), state = context.state
            let first = try await swarm.submit { () -> Int in
                try await state.set("busy", to: true)
                try await state.firstAvailable("free")
                return 0
            }
            try await state.firstAvailable("busy")
            var rest: [TaskResult<Int>] = []
            for priority in [0, 3, 0, -1, 5, 5, 1, 3] {
                var options = MapOptions()
                options.priority = priority
                rest.append(
                    try await swarm.submit(priority, options: options) { priority in
                        try await state.append(priority, to: "order")
                        return priority
                    }
                )
            }
            try await state.set("free", to: true)
            for result in rest { _ = try await result.value }
            #expect(try await first.value == 0)
            #expect(try await state.get("order", as: [Int].self) == [5, 5, 3, 3, 1, 0, 0, -1])
        }
    }

    // MARK: Failure

    @Test(arguments: Backend.allCases)
    func theFirstFailureEndsAMap(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            await #expect(throws: TestFailure(reason: "item 40")) {
                try await swarm.map(0..<1_000_000) { number in
                    if number == 40 { throw TestFailure(reason: "item 40") }
                    return number
                }
            }
            await #expect(throws: TestFailure(reason: "task")) {
                try await swarm.run { throw TestFailure(reason: "task") }
            }
            // The workers are as good as new.
            #expect(try await swarm.map(0..<10) { $0 } == Array(0..<10))
        }
    }

    @Test(arguments: Backend.allCases)
    func failuresMayBeResults(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            let results = try await swarm.mapResults(0..<1_000) { number in
                if number % 10 == 3 { throw TestFailure(reason: "\(number)") }
                return number
            }
            #expect(results.count == 1_000)
            for (number, result) in results.enumerated() {
                if number % 10 == 3 {
                    #expect(throws: TestFailure(reason: "\(number)")) { try result.get() }
                } else {
                    #expect(try result.get() == number)
                }
            }
            // What is not Codable comes as what stands for it, where there is a way to go.
            let others = try await swarm.mapResults(0..<1) { _ -> Int in throw PlainError(description: "plain") }
            guard case .failure(let error)? = others.first else {
                Issue.record("it has not failed")
                return
            }
            #expect((error is PlainError) == (backend == .threads))
            #expect("\(error)".contains("plain"))
        }
    }

    @Test(arguments: Backend.allCases)
    func itemsAreTriedAgain(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2), state = context.state
            var options = MapOptions()
            options.retry = RetryPolicy(2, delay: .constant(.milliseconds(1)), on: .error(TestFailure.self))
            let results = try await swarm.map(0..<20, options: options) { number in
                let attempt = try await state.increment("item \(number)")
                if attempt <= number % 3 { throw TestFailure(reason: "try again") }
                return attempt
            }
            #expect(results == (0..<20).map { $0 % 3 + 1 })
            await #expect(throws: TestFailure.self) {
                try await swarm.map(0..<5, options: options) { _ -> Int in throw TestFailure(reason: "always") }
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func timesHold(on backend: Backend) async throws {
        try await withContext(backend) { context in
            // With threads of their own, so that the other items are not held up by other tests.
            var own = SwarmOptions()
            own.process.isBlocking = true
            let swarm = try context.swarm(workers: 2, options: own)
            var options = MapOptions()
            options.itemTimeout = .seconds(1)
            options.chunkSize = 1
            let error = try await #require(throws: SwarmError.self) {
                try await swarm.map(0..<4, options: options) { number in
                    if number == 2 { try await Task.sleep(for: .seconds(1_000)) }
                    return number
                }
            }
            #expect(error.code == .timedOut)
            #expect(error.items == 2..<3)
            options.itemTimeout = nil
            options.timeout = .milliseconds(200)
            let late = try await #require(throws: SwarmError.self) {
                try await swarm.forEach(0..<4, options: options) { _ in try await Task.sleep(for: .seconds(1_000)) }
            }
            #expect(late.code == .timedOut)
            #expect(late.items == nil)
            #expect(try await swarm.map(0..<10) { $0 } == Array(0..<10))
        }
    }

    @Test(arguments: Backend.allCases)
    func cancellingReachesTheItems(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2), state = context.state
            let map = Task {
                try await swarm.map(0..<2) { number in
                    try await state.increment("started")
                    do {
                        try await Task.sleep(for: .seconds(1_000))
                    } catch {
                        try await state.increment("cancelled")
                    }
                    return number
                }
            }
            try await state.first { $0["started", default: 0] == 2 }
            map.cancel()
            await #expect(throws: CancellationError.self) { try await map.value }
            try await state.first { $0["cancelled", default: 0] == 2 }
            // Leaving the loop does it, too.
            for try await _ in try swarm.mapLazy(
                0...,
                transform: { number in
                    if number > 0 {
                        try await state.increment("begun")
                        do { try await Task.sleep(for: .seconds(1_000)) } catch { try await state.increment("left") }
                    }
                    return number
                }
            ) {
                try await state.first { $0["begun", default: 0] > 0 }
                break
            }
            try await state.first { $0["left", default: 0] >= 1 }
            #expect(try await swarm.map(0..<10) { $0 } == Array(0..<10))
        }
    }

    /// All workers could be waiting for each other.
    @Test func whatAWorkerRunsDoesNotWaitForItsSwarm() async throws {
        try await withContext(.threads) { context in
            let swarm = try context.swarm(workers: 1)
            for way in 0..<4 {
                let error = try await #require(throws: SwarmError.self) {
                    try await swarm.forEach(0..<1) { _ in
                        switch way {
                        case 0: _ = try await swarm.run { 1 }
                        case 1: _ = try await swarm.map(0..<10) { $0 }
                        case 2: try await swarm.forEach(0..<10) { _ in }
                        default: for try await _ in try swarm.mapLazy(0..<10, transform: { $0 }) {}
                        }
                    }
                }
                #expect(error.code == .nested)
            }
            let submitted = try await swarm.run { try await swarm.submit { 1 } }
            #expect(try await submitted.value == 1)
            let other = try context.swarm(workers: 1)
            #expect(try await swarm.run { try await other.run { 2 } } == 2)
        }
    }

    // MARK: Workers

    /// More at a time than the pool has threads.
    @Test(arguments: Backend.allCases)
    func itemsMayBlock(on backend: Backend) async throws {
        try await withContext(backend) { context in
            var options = SwarmOptions()
            options.process.isBlocking = true
            let swarm = try context.swarm(workers: 6, options: options), state = context.state
            var map = MapOptions()
            map.chunkSize = 1
            let results = try await swarm.map(0..<6, options: map) { number in
                try await state.increment("here")
                // Each blocks until all are there.
                while try await state.get("here", default: 0) < 6 { usleep(1_000) }
                return number
            }
            #expect(results == Array(0..<6))
        }
    }

    @Test(arguments: Backend.allCases)
    func workersKeepWhatTheyPrepared(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let swarm = try context.swarm(workers: 2) { "model \(try await state.increment("loaded"))" }
            let models = try await swarm.map(0..<100) { _ in try WorkerStorage.value(as: String.self) }
            #expect(Set(models).isSubset(of: ["model 1", "model 2"]))
            let error = try await #require(throws: SwarmError.self) {
                try await swarm.run { try WorkerStorage.value(as: Int.self) }
            }
            #expect(error.code == .noStorage)
            #expect(throws: SwarmError.self) { try WorkerStorage.value(as: String.self) }
        }
    }

    @Test(arguments: Backend.allCases)
    func workersThatCannotBeStartedAreAnError(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2) { throw TestFailure(reason: "no model") }
            let error = try await #require(throws: SwarmError.self) { try await swarm.map(0..<10) { $0 } }
            #expect(error.code == .noWorkers)
            #expect(error.message.contains("no model"))
        }
    }

    @Test(arguments: Backend.allCases)
    func theNumberOfWorkersChangesWhileTheyWork(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 1)
            let results = try swarm.mapLazy(0..<3_000) { number in
                usleep(100)
                return number
            }
            var seen = 0
            for try await result in results {
                #expect(result == seen)
                seen += 1
                if seen % 500 == 0 { swarm.resize(to: [4, 1, 3, 2, 1, 2][seen / 500 - 1]) }
            }
            #expect(seen == 3_000)
            swarm.resize(to: 3)
            try await eventually { swarm.readyCount == 3 }
            swarm.resize(to: 1)
            try await eventually { swarm.readyCount == 1 }
        }
    }

    @Test(arguments: Backend.allCases)
    func surplusWorkersEndAtOnceIfAsked(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state, swarm = try context.swarm(workers: 3)
            try await eventually { swarm.readyCount == 3 }
            var options = MapOptions()
            options.chunkSize = 1
            let map = Task { [options] in
                try await swarm.map(0..<6, options: options) { number in
                    try await state.increment("started")
                    try await state.first { $0.contains("released") }
                    return number
                }
            }
            try await state.first { $0["started", default: 0] == 3 }
            // Those that finish what they have never would.
            swarm.resize(to: 2)
            swarm.resize(to: 1, force: true)
            try await eventually { swarm.readyCount == 1 }
            try await state.set("released", to: true)
            #expect(try await map.value == Array(0..<6))
            // Nobody is blamed for the ends that were wanted.
            #expect(try await swarm.map(0..<10) { $0 } == Array(0..<10))
        }
    }

    /// A result need not wait for those that the worker was given with it.
    @Test(arguments: Backend.allCases)
    func whatIsDoneIsNotHeldBack(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state, swarm = try context.swarm(workers: 1) { RunCount() }
            try await withThrowingDiscardingTaskGroup { group in
                for _ in 0..<200 {
                    group.addTask {
                        try await swarm.run {
                            let number = try WorkerStorage.value(as: RunCount.self).next()
                            if number % 50 == 0 { try await state.first { $0["taken", default: 0] >= number - 1 } }
                        }
                        try await state.increment("taken")
                    }
                }
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func idleWorkersEndAndOthersTakeTheirPlace(on backend: Backend) async throws {
        try await withContext(backend) { context in
            var options = SwarmOptions()
            options.idleLimit = .milliseconds(50)
            let swarm = try context.swarm(workers: 2, options: options)
            #expect(try await swarm.map(0..<10) { $0 } == Array(0..<10))
            try await eventually { swarm.readyCount == 0 }
            #expect(try await swarm.map(0..<10) { $0 } == Array(0..<10))
            options.idleLimit = nil
            options.itemsPerWorker = 10
            let state = context.state
            let recycled = try context.swarm(workers: 1, options: options) { try await state.increment("born") }
            #expect(try await recycled.map(0..<100) { $0 } == Array(0..<100))
            #expect(try await state.get("born", default: 0) > 1)
        }
    }

    @Test(arguments: Backend.allCases)
    func aStoppedSwarmFailsWhatRunsOnIt(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2), state = context.state
            let map = Task {
                try await swarm.forEach(0..<2) { _ in
                    try await state.increment("started")
                    try await Task.sleep(for: .seconds(1_000))
                }
            }
            try await state.first { $0["started", default: 0] == 2 }
            await swarm.stop()
            let error = try await #require(throws: SwarmError.self) { try await map.value }
            #expect(error.code == .closed)
            await #expect(throws: SwarmError.self) { try await swarm.run { 1 } }
        }
    }

    /// Whenever a swarm is stopped, what is asked of it ends.
    @Test func whatIsAskedWhileASwarmStopsEnds() async throws {
        try await withContext(.threads) { context in
            for _ in 0..<200 {
                let swarm = try context.swarm(workers: 2), ready = Promise<Void>()
                await withDiscardingTaskGroup { group in
                    for _ in 0..<4 {
                        group.addTask {
                            do {
                                while true {
                                    _ = try await swarm.run { 1 }
                                    ready.settle()
                                }
                            } catch {
                                #expect((error as? SwarmError)?.code == .closed)
                            }
                        }
                    }
                    group.addTask {
                        _ = await ready.settled()
                        await swarm.stop()
                    }
                }
            }
        }
    }

    /// At once, and while their initializer runs.
    @Test(arguments: Backend.allCases)
    func workersThatHaveNotBegunEndWithTheirSwarm(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            for isBlocking in [false, true] {
                var options = SwarmOptions()
                options.process.isBlocking = isBlocking
                let slow = try context.swarm(workers: 2, options: options) {
                    try await state.increment("beginning")
                    try await Task.sleep(for: .seconds(1_000))
                }
                try await state.first { $0["beginning", default: 0] == (isBlocking ? 4 : 2) }
                await slow.stop()
            }
            for _ in 0..<20 { await (try context.swarm(workers: 2)).stop() }
        }
    }

    /// Whether they have begun or not.
    @Test func nothingIsLeftOfASwarmThatWasStopped() async throws {
        let live = LiveCount()
        try await withContext(.threads) { context in
            for isBlocking in [false, true] {
                var options = SwarmOptions()
                options.process.isBlocking = isBlocking
                for _ in 0..<100 {
                    let object = Live(live)
                    await (try context.swarm(workers: 2, options: options) { _ = object }).stop()
                }
            }
            try await eventually { live.value == 0 }
        }
    }

    @Test func aWorkerThatHasGrownIsReplaced() async throws {
        try await withContext(.processes) { context in
            var options = SwarmOptions()
            options.memoryPerWorker = 256 << 20
            let swarm = try context.swarm(workers: 1, options: options) { Memory() }
            let first = try await swarm.run { Int(getpid()) }
            #expect(try await swarm.map(0..<100) { _ in Int(getpid()) }.allSatisfy { $0 == first })
            try await swarm.run { try WorkerStorage.value(as: Memory.self).grow(512 << 20) }
            // It is looked at now and then, when something is done.
            try await eventually { try await swarm.run { Int(getpid()) } != first }
            try await eventually { !exists(first) }
        }
    }

    @Test func workersGoWithTheirSwarm() async throws {
        try await withContext(.processes) { context in
            var swarm: Swarm? = try context.swarm(workers: 2)
            let pids = try await swarm?.map(0..<100) { _ in Int(getpid()) } ?? []
            #expect(!pids.isEmpty)
            swarm = nil
            for pid in Set(pids) { try await eventually { !exists(pid) } }
        }
    }
}

private final class Counted: Sendable {
    private let count = Atomic(0)
    var value: Int { count.load(ordering: .relaxed) }
    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}

private struct CountedSequence: Sequence, IteratorProtocol {
    let counted: Counted
    mutating func next() -> Int? { counted.next() }
}

/// Counts objects that live.
private final class LiveCount: Sendable {
    private let count = Atomic(0)
    var value: Int { count.load(ordering: .relaxed) }
    func add(_ number: Int) { count.add(number, ordering: .relaxed) }
}

private final class Live: Sendable {
    private let count: LiveCount
    init(_ count: LiveCount) {
        self.count = count
        count.add(1)
    }
    deinit { count.add(-1) }
}

/// Has more and more.
private final class Memory: Sendable {
    private let bytes = Mutex<[UInt8]>([])
    func grow(_ count: Int) { bytes.withLock { $0 = [UInt8](repeating: 1, count: count) } }
}

/// Counts the tasks of a worker.
private final class RunCount: Sendable {
    private let count = Atomic(0)
    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}

/// A value that cannot be encoded.
private struct Homebody: Codable, Sendable {
    var isResult: Bool

    func encode(to encoder: any Encoder) throws { throw TestFailure(reason: "it does not like to travel") }
}
