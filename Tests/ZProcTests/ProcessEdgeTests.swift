// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Distributed
import Foundation
import Glibc
import Logging
import Synchronization
import Testing
import ZProc
import ZProcCore

/// What bodies, scopes, hosts and output do in unusual order.
@Suite(.tags(.process), .timeLimit(.minutes(5))) struct ProcessEdgeTests {
    // MARK: Scopes

    @Test(arguments: Backend.allCases)
    func aBodyMayWaitForWhatItSpawned(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let process = try await context.spawn {
                try await context.spawn {
                    try await context.spawn { try await state.increment("ended") }
                    try await context.waitForAll()
                    try await state.increment("ended")
                }
                try await context.waitForAll()
                return try await state.get("ended", default: 0)
            }
            #expect(try await process.value == 2)
        }
    }

    @Test(arguments: Backend.allCases)
    func aBodyMayStopWhatItSpawned(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let process = try await context.spawn {
                let sleepers = try await context.spawn(count: 3) { try await Task.sleep(for: .seconds(1_000)) }
                await context.stopAll()
                return await sleepers.results.map { result in
                    if case .failure(is CancellationError) = result { true } else { false }
                }
            }
            #expect(try await process.value == [true, true, true])
        }
    }

    @Test(arguments: Backend.allCases)
    func nobodyWaitsForWhatWasStoppedOrNeverStarted(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let idle = try await context.spawn(start: false) { 1 }
            let stopped = try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
            await stopped.stop()
            try await context.waitForAll()
            #expect(await !idle.isRunning)
        }
    }

    @Test func aGroupLeavesNoProcess() async throws {
        try await withContext(.processes) { context in
            for fails in [false, true] {
                let pids = Mutex<[Int]>([])
                do {
                    try await context.withProcessGroup(of: Int.self) { group in
                        for _ in 0..<4 {
                            let process = try await group.spawn { 1 }
                            pids.withLock { $0.append(process.pid ?? 0) }
                        }
                        if fails { throw TestFailure(reason: "no") }
                    }
                    #expect(!fails)
                } catch is TestFailure {
                    #expect(fails)
                }
                #expect(pids.withLock { $0 }.allSatisfy { $0 > 0 && !exists($0) })
            }
        }
    }

    /// The grace is for bodies that tidy up; a spare has none.
    @Test func sparesEndAtOnce() async throws {
        var options = ContextOptions()
        options.spareProcesses = 2
        options.grace = .seconds(1_000)
        try await withContext(.processes, options: options) { context in
            try await eventually { context.readySpareCount == 2 }
        }
    }

    /// A terminal interrupts everybody; a spare has nothing yet that it could interrupt.
    @Test func anInterruptOfASpareIsNotForItsBody() async throws {
        var options = ContextOptions()
        options.spareProcesses = 1
        try await withContext(.processes, options: options) { context in
            try await eventually { context.readySpareCount == 1 }
            // Its own name is not known yet: all children of this process are asked for theirs.
            let directory = try context.address.split(separator: "/").dropLast().last ?? ""
            let spare = try #require(children().first { environment($0).contains(directory) })
            kill(pid_t(spare), SIGINT)
            // Meanwhile it learns of that.
            _ = try await context.spawn(options: .withoutBacktrace) { 1 }.value
            let process = try await context.spawn {
                try await Task.sleep(for: .milliseconds(50))
                return Int(getpid())
            }
            #expect(try await process.value == spare)
        }
    }

    /// How many there are is counted where they are entered, by all that spawn at the same time.
    @Test(arguments: Backend.allCases)
    func noMoreAreSpawnedAtTheSameTimeThanThereMayBe(on backend: Backend) async throws {
        var options = ContextOptions()
        options.maximumProcesses = 6
        try await withContext(backend, options: options) { context in
            let state = context.state
            for round in 0..<(backend == .threads ? 50 : 3) {
                // Two of them spawn as well.
                try await context.spawn(count: 2) {
                    try await state.increment("living", by: 1 + sleepers(16, in: context))
                    try await state.increment("done")
                    try await Task.sleep(for: .seconds(1_000))
                }
                let own = await sleepers(16, in: context)
                let living = try await state.first { $0["done", default: 0] == 2 }.get("living", default: 0)
                #expect(own + living == 6, "round \(round)")
                await context.stopAll()
                try await state.clear()
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func thereIsRoomAgainWhenOneHasEnded(on backend: Backend) async throws {
        var options = ContextOptions()
        options.maximumProcesses = 1
        try await withContext(backend, options: options) { context in
            for round in 0..<(backend == .threads ? 2_000 : 50) {
                let process = try await context.spawn { round }
                #expect(try await process.value == round)
                let sleeper = try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
                await sleeper.stop()
            }
        }
    }

    /// One that is about to go, and takes its time, keeps nobody from the place of one that goes at once.
    @Test func theFirstThatGoesMakesRoom() async throws {
        var options = ContextOptions()
        options.maximumProcesses = 2
        options.grace = .seconds(1_000)
        try await withContext(.threads, options: options) { context in
            let state = context.state
            var soon = ProcessOptions()
            soon.timeout = .milliseconds(1)
            // Its time is up, so that it has a value, and it goes on.
            let late = try await context.spawn(options: soon) {
                await Task { _ = try? await state.first("may end", equals: true) }.value
            }
            await #expect(throws: (any Error).self) { try await late.value }
            for round in 0..<20 {
                let process = try await context.spawn { round }
                #expect(try await process.value == round)
            }
            try await state.set("may end", to: true)
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: [false, true])
    func aBodyOnThreadsMayStopItself(fromWhatItSpawned isDeep: Bool) async throws {
        try await withContext(.threads) { context in
            let own = Mutex<SpawnedProcess<Void>?>(nil)
            let process = try await context.spawn(start: false) {
                if isDeep {
                    try await context.spawn { await own.withLock { $0 }?.stop() }.wait()
                } else {
                    await own.withLock { $0 }?.stop()
                }
                // Perhaps it has only just been started, and is cancelled a moment later.
                try await Task.sleep(for: .seconds(1_000))
            }
            own.withLock { $0 = process }
            try await process.start()
            await #expect(throws: CancellationError.self) { try await process.value }
            try await process.wait()
        }
    }

    /// A fork of this program keeps open what tells of a process and of its output; nobody may wait for that any more.
    @Test func aProcessThatHasEndedIsNotWaitedForWhenThereIsAFork() async {
        // In a process of its own, where nobody else waits for descriptors.
        await #expect(processExitsWith: .success) {
            try await withContext(.processes) { context in
                let state = context.state
                // Whatever starts with the first process is there.
                try await context.spawn {}.value
                let before = try await settledWaitCount()
                let process = try await context.spawn { try await state.first("may end", equals: true) }
                let fork = try #require(startFork())
                defer { kill(fork, SIGKILL) }
                try await state.set("may end", to: true)
                _ = try await process.value
                try await process.wait()
                try await eventually(within: .seconds(10)) { waitCount() == before }
            }
        }
    }

    // MARK: Results

    @Test func aResultThatIsTooLargeIsAnErrorAtTheWaiter() async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn { Data(count: 257 << 20) }
            let error = try await #require(throws: CallError.self) { try await process.value }
            #expect(error.code == .badResult)
            #expect(error.message.contains("put large data into the state"))
        }
    }

    @Test func anErrorThatIsTooLargeIsAnErrorAtTheWaiter() async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn { throw LargeFailure(data: Data(count: 257 << 20)) }
            let error = try await #require(throws: CallError.self) { try await process.value }
            #expect(error.code == .badResult)
            #expect(error.message.contains("LargeFailure"))
            #expect(error.message.contains("very large"))
            #expect(error.message.utf8.count < 10_000)
        }
    }

    /// In a process of its own: a program can choose where its log goes only once.
    @Test(arguments: Backend.allCases)
    func eachRetryIsLogged(on backend: Backend) async throws {
        try await withContext(.processes) { context in
            let records = try await context.spawn {
                let records = Records()
                LoggingSystem.bootstrap { RecordingHandler(label: $0, records: records) }
                return try await withContext(backend) { inner in
                    let process = try await inner.spawn(name: "baker", retry: RetryPolicy(2)) {
                        throw TestFailure(reason: "burnt")
                    }
                    await #expect(throws: TestFailure.self) { try await process.value }
                    var reports: [String] = []
                    for await report in process.retries { reports.append("notice zproc.process \(report)") }
                    return [reports, records.all]
                }
            }.value
            #expect(records[0].count == 2)
            #expect(records[1].filter { $0.contains("'baker'") } == records[0])
        }
    }

    /// What decides about retries is the user's code; the thread that reads what processes write is for all of them.
    @Test func whetherToRetryIsNotDecidedOnTheThreadOfOutput() async throws {
        try await withContext(.processes) { context in
            let thread = Promise<String>()
            let condition = RetryPolicy.Condition.where { _ in
                thread.settle(.success(threadName()))
                return false
            }
            let process = try await context.spawn(retry: RetryPolicy(1, on: condition)) { if getpid() > 0 { exit(3) } }
            await #expect(throws: ProcessTermination.self) { try await process.value }
            #expect(try await thread.value() != "zproc-output")
        }
    }

    // MARK: Output

    @Test func nobodyCanReadWhatAnIsolatedBodyWrites() async throws {
        var options = ProcessOptions()
        options.standardOutput = .streamed
        for backend in Backend.allCases {
            try await withContext(backend) { context in
                await #expect(throws: SpawnError.self) { try await context.isolated(options: options) { 1 } }
            }
        }
    }

    @Test func theWriterGoesOnWhenItsReaderLeaves() async throws {
        var options = ProcessOptions()
        options.standardOutput = .streamed
        try await withContext(.processes) { context in
            let process = try await context.spawn(options: options) {
                for number in 0..<4_000 { put("\(number) \(String(repeating: "x", count: 1_000))\n") }
                return 1
            }
            for await line in process.standardOutput.lines {
                #expect(line.hasPrefix("0 "))
                break
            }
            #expect(try await process.value == 1)
        }
    }

    /// Nobody reads the output of a process that passes on what its own children write.
    @Test func outputThatNobodyReadsHoldsUpNobodyElseAndIsNotLost() async throws {
        try await withContext(.processes) { context in
            let state = context.state, lineCount = 20_000
            let process = try await context.spawn(options: .writing(.streamed)) {
                let writer = try await context.spawn(name: "w", options: .writing(.prefixed)) {
                    for number in 1...lineCount {
                        put("\(number) \(String(repeating: "x", count: 200))\n")
                        if number % 500 == 0 { try await state.set("written", to: number) }
                    }
                }
                // As much as the buffers hold: it stalls now, or soon.
                try await state.first { $0["written", default: 0] >= 5_000 }
                for number in 0..<10 { _ = try await context.spawn(number, options: .writing(.prefixed)) { $0 }.value }
                try await state.set("others", to: true)
                try await writer.value
            }
            try await state.first { $0["others", default: false] }
            var next = 1
            for await line in process.standardOutput.lines where line.hasPrefix("[w] \(next) ") { next += 1 }
            #expect(next == lineCount + 1)
            try await process.value
        }
    }

    @Test func aLineWithoutEndIsPassedOnInParts() async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn(options: .writing(.streamed)) {
                try await context.spawn(name: "w", options: .writing(.prefixed)) {
                    put(String(repeating: "x", count: 300_000))
                }.value
            }
            var count = 0, longest = 0
            for await line in process.standardOutput.lines {
                #expect(line.hasPrefix("[w] x"))
                count += line.count - 4
                longest = max(longest, line.count)
            }
            #expect(count == 300_000)
            #expect(longest < 100_000)
            try await process.value
        }
    }

    // MARK: Hosts and callers

    @Test(arguments: Backend.allCases)
    func aHostReleasesItsOwnActorsOnly(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let host = try await context.actorHost(), other = try await context.actorHost()
            let counter = try await host.host { Counter(actorSystem: $0) }
            let isReleased = try await other.release(counter)
            #expect(!isReleased)
            #expect(try await counter.increment(by: 2) == 2)
        }
    }

    @Test(arguments: Backend.allCases)
    func aSupervisorThatStartsSomethingSlowCanBeStopped(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let supervisor = try context.supervisor(), state = context.state
            let start = Task {
                try await supervisor.host("slow") { system in
                    try await state.set("starting", to: true)
                    try await Task.sleep(for: .seconds(1_000))
                    return Counter(actorSystem: system)
                }
            }
            try await state.first { $0["starting", default: false] }
            await supervisor.stop()
            await #expect(throws: (any Error).self) { try await start.value }
        }
    }

    @Test func workForACallerThatHasGoneIsCancelled() async throws {
        try await withContext(.processes) { context in
            let state = context.state, sleeper = Sleeper(actorSystem: context.system)
            let caller = try await context.spawn { try await sleeper.sleep(state) }
            try await state.first { $0["sleeps", default: false] }
            try caller.signal(SIGKILL)
            try await state.first { $0["cancelled", default: false] }
        }
    }

    /// Whoever listens at the address of one that has gone is not asked in its place.
    @Test func aCallThatWasNotSentSaysSo() async throws {
        try await withContext(.processes, address: "tcp://127.0.0.1:*") { context in
            let sleeper = try await context.host { Sleeper(actorSystem: $0) }
            let address = try await sleeper.address()
            let pid = try await sleeper.pid()
            kill(pid_t(pid), SIGKILL)
            // Until then it has the address.
            try await eventually { !exists(pid) }
            try await withContext(.processes, address: address) { other in
                #expect(try other.address == address)
                let code = try await context.spawn { () -> TransportError.Code? in
                    do {
                        _ = try await sleeper.pid()
                        return nil
                    } catch let error as TransportError {
                        return error.code
                    }
                }.value
                #expect(code == .unreachable)
            }
        }
    }
}

private struct LargeFailure: Error, Codable, CustomStringConvertible {
    var data: Data
    var description: String { "very large" }
}

/// What was logged.
private final class Records: Sendable {
    private let records = Mutex<[String]>([])
    var all: [String] { records.withLock { $0 } }
    func add(_ record: String) { records.withLock { $0.append(record) } }
}

private struct RecordingHandler: LogHandler {
    let label: String
    let records: Records
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { records.add("\(event.level) \(label) \(event.message)") }
}

distributed actor Sleeper {
    typealias ActorSystem = ZProcSystem

    distributed func address() throws -> String { try actorSystem.address().endpoint.description }
    distributed func pid() -> Int { Int(getpid()) }

    distributed func sleep(_ state: SharedState) async throws {
        try await state.set("sleeps", to: true)
        try? await Task.sleep(for: .seconds(1_000))
        try await state.set("cancelled", to: Task.isCancelled)
    }
}

extension ProcessOptions {
    fileprivate static func writing(_ output: Output) -> ProcessOptions {
        var options = ProcessOptions()
        options.standardOutput = output
        return options
    }
}

/// Tries to spawn so many that sleep, all at once, and gives how many there are.
private func sleepers(_ count: Int, in context: Context) async -> Int {
    await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<count {
            group.addTask {
                do {
                    try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
                    return true
                } catch {
                    return false
                }
            }
        }
        return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
}

/// A copy of this process that does nothing, for twenty seconds at most.
private func startFork() -> pid_t? {
    // Swift has no name for it, since hardly anything may be done afterwards.
    guard let symbol = dlsym(nil, "fork") else { return nil }
    let process = unsafeBitCast(symbol, to: (@convention(c) () -> pid_t).self)()
    if process == 0 {
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
        alarm(20)
        while true { pause() }
    }
    return process > 0 ? process : nil
}

/// How many descriptors all pollers of this process wait for.
private func waitCount() -> Int {
    let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fdinfo")) ?? []
    return descriptors.reduce(0) { count, name in
        // One that has been closed meanwhile has none.
        let text = (try? read("/proc/self/fdinfo/\(name)", limit: 65_536)) ?? ""
        return count + text.split(separator: "\n").count { $0.hasPrefix("tfd:") }
    }
}

/// The same, when it has not changed for a while.
private func settledWaitCount() async throws -> Int {
    var last = -1, same = 0
    try await eventually {
        let count = waitCount()
        same = count == last ? same + 1 : 0
        last = count
        return same == 10
    }
    return last
}

private func threadName() -> String {
    let name = try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)
    return name?.split(separator: "\n").first.map(String.init) ?? ""
}

private func children() -> [Int] {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return tasks.flatMap { task in
        let text = (try? String(contentsOfFile: "/proc/self/task/\(task)/children", encoding: .utf8)) ?? ""
        return text.split(separator: " ").compactMap { Int($0) }
    }
}

private func environment(_ pid: Int) -> String {
    let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/environ") ?? Data()
    return String(decoding: bytes, as: UTF8.self)
}
