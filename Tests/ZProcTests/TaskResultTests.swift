// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// Results that are found by their ids, and how far maps are.
@Suite(.tags(.process, .state), .timeLimit(.minutes(5))) struct TaskResultTests {
    @Test(arguments: Backend.allCases)
    func aResultIsFoundByItsIDFromAnywhere(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            let result = try await swarm.submit(20) { $0 + 1 }
            let id = result.id
            let elsewhere = try await context.spawn { try await context.taskResult(id, of: Int.self).value }
            #expect(try await elsewhere.value == 21)
            // The handle travels, too.
            #expect(try await context.spawn { try await result.value }.value == 21)
            #expect(try await result.isDone)
            #expect(try await context.taskResults().map(\.id) == [id])
            #expect(try await result.take() == 21)
            let error = try await #require(throws: TaskResultError.self) { try await result.value }
            #expect(error.code == .unknown)
            #expect(try await context.taskResults().isEmpty)
            let map = try await swarm.submitMap(0..<1_000) { $0 * 2 }
            #expect(try await context.taskResult(map.id, of: [Int].self).take() == (0..<1_000).map { $0 * 2 })
        }
    }

    /// Whoever submits a task may forget what its closure has captured.
    @Test(arguments: Backend.allCases)
    func whatIsCapturedLivesUntilTheTaskHasEnded(on backend: Backend) async throws {
        try await withContext(backend) { context in
            // Nobody works on it yet.
            let swarm = try context.swarm(workers: 0)
            func submit() async throws -> TaskResult<Int> {
                let counter = Counter(actorSystem: context.system)
                return try await swarm.submit(2) { try await counter.increment(by: $0) }
            }
            let result = try await submit()
            swarm.resize(to: 1)
            #expect(try await result.take() == 2)
        }
    }

    @Test(arguments: Backend.allCases)
    func errorsAreKeptToo(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 1), id: String
            do {
                let result = try await swarm.submit { () -> Int in throw TestFailure(reason: "no") }
                id = result.id
            }
            await #expect(throws: TestFailure(reason: "no")) { try await context.taskResult(id, of: Int.self).value }
            await #expect(throws: TestFailure(reason: "no")) { try await context.taskResult(id, of: Int.self).take() }
            let nothing = try await swarm.submit { () -> Int? in nil }
            #expect(try await nothing.value == nil)
        }
    }

    @Test(arguments: Backend.allCases)
    func resultsAreReleasedAndExpire(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 1), state = context.state
            var options = MapOptions()
            options.label = "slow"
            let slow = try await swarm.submit(options: options) { () -> Int in
                try await state.first { $0["go", default: false] }
                return 1
            }
            #expect(try await !slow.isDone)
            #expect(try await context.taskResults().map(\.label) == ["slow"])
            try await slow.release()
            try await state.set("go", to: true)
            await #expect(throws: TaskResultError.self) { try await slow.value }
            let long = try await swarm.submit(keep: .seconds(1_000)) { 2 }
            #expect(try await long.take() == 2)
            let short = try await swarm.submit(keep: .milliseconds(50)) { 2 }
            try await eventually { try await context.taskResults().isEmpty }
            await #expect(throws: TaskResultError.self) { try await short.value }
        }
    }

    @Test func resultsOutliveTheProgramInItsState() async throws {
        let file = "/tmp/zproc-results-\(getpid())-\(UInt64.random(in: 0...UInt64.max)).state"
        defer { for suffix in ["", "-lock"] { unlink(file + suffix) } }
        let options = StateOptions(persistence: .file(file, sync: .eachCommit))
        let id = try await withContext(.processes, state: options) { context in
            let result = try await context.swarm(workers: 1).submit { "kept" }
            _ = try await result.value
            return result.id
        }
        try await withContext(.processes, state: options) { context in
            let kept = try await context.taskResult(id, of: String.self).take()
            #expect(kept == "kept")
        }
    }

    /// The child that works on it is killed.
    @Test func aTaskWhoseProgramHasEndedIsLost() async throws {
        try await withContext(.processes) { context in
            let state = context.state
            let owner = try await context.spawn {
                let swarm = try context.swarm(workers: 1)
                let result = try await swarm.submit { () -> Int in
                    try await Task.sleep(for: .seconds(1_000))
                    return 1
                }
                try await state.set("id", to: result.id)
                try await Task.sleep(for: .seconds(1_000))
            }
            try await state.firstAvailable("id")
            let id = try await state.get("id", default: "")
            try owner.signal(SIGKILL)
            let error = try await #require(throws: TaskResultError.self) {
                try await context.taskResult(id, of: Int.self).value
            }
            #expect(error.code == .lost)
            #expect(try await context.taskResults().map(\.isLost) == [true])
        }
    }

    @Test(arguments: Backend.allCases)
    func progressIsTold(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            let results = try swarm.mapLazy(0..<200) { number in
                usleep(500)
                return number
            }
            let updates = Task {
                var all: [MapProgress] = []
                for await update in results.progressUpdates(every: .milliseconds(5)) { all.append(update) }
                return all
            }
            var sum = 0
            for try await result in results { sum += result }
            #expect(sum == 199 * 100)
            let all = await updates.value
            #expect(all.count > 1)
            #expect(all.last?.done == 200)
            #expect(all.map(\.done) == all.map(\.done).sorted())
            #expect(all.allSatisfy { $0.total == 200 })
        }
    }

    // MARK: The display

    @Test func aBarMovesInItsLine() async throws {
        let terminal = try #require(Terminal())
        let display = ProgressDisplay(on: terminal.device)
        #expect(display.interval == .milliseconds(100))
        var progress = MapProgress(label: "cakes", total: 10, done: 5, workers: 2, elapsed: .seconds(1))
        display.show(progress, isLast: false)
        progress.done = 10
        display.show(progress, isLast: true)
        // The end has been shown.
        display.show(progress, isLast: false)
        display.close()
        let half = String(repeating: "#", count: 15) + String(repeating: " ", count: 15)
        #expect(
            try await terminal.read(until: "\r\n")
                == "\r\u{1b}[2K[\(half)] cakes 5/10 50% 5/s, 1 s left, 2 workers"
                + "\r\u{1b}[2K[\(String(repeating: "#", count: 30))] cakes 10/10 100% 10/s, 2 workers\r\n"
        )
    }

    /// By whoever leaves the loop over the results.
    @Test func aBarThatIsGivenUpLeavesALineOfItsOwn() async throws {
        let terminal = try #require(Terminal()), display = ProgressDisplay(on: terminal.device)
        let progress = MapProgress(label: nil, total: 1, done: 0, workers: 1, elapsed: .seconds(1))
        display.show(progress, isLast: false)
        display.close()
        display.show(progress, isLast: false)
        let text = try await terminal.read(until: "\r\n")
        #expect(text.hasSuffix("1 worker\r\n"))
        #expect(text.count { $0 == "[" } == 2)
    }

    @Test func elsewhereProgressComesInLines() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let display = ProgressDisplay(on: ends[1])
        #expect(display.interval == .seconds(5))
        var progress = MapProgress(label: "cakes", total: 10, done: 5, workers: 2, elapsed: .seconds(1))
        display.show(progress, isLast: false)
        progress.done = 10
        display.show(progress, isLast: true)
        display.close()
        #expect(text(from: ends[0]) == "cakes 5/10 50% 5/s, 1 s left, 2 workers\ncakes 10/10 100% 10/s, 2 workers\n")
    }

    /// In a process of its own, whose standard error nobody else writes to.
    @Test func aMapShowsItsProgressWhenAsked() async throws {
        try await withContext(.processes) { context in
            for display in MapProgress.Display.allCases {
                var spawn = ProcessOptions()
                spawn.standardError = .streamed
                let process = try await context.spawn(options: spawn) {
                    var options = MapOptions()
                    options.progress = display
                    options.label = "cakes"
                    try await withContext(.threads) { inner in
                        _ = try await inner.swarm(workers: 1).map(0..<10, options: options) { $0 }
                    }
                }
                var lines: [String] = []
                for try await line in process.standardError.lines { lines.append(line) }
                try await process.value
                if display == .none {
                    #expect(lines.isEmpty)
                } else {
                    #expect(!lines.isEmpty)
                    #expect(lines.last?.hasPrefix("cakes 10/10 100%") == true)
                }
            }
        }
    }

    @Test func progressReadsWell() {
        var progress = MapProgress(label: "squares", total: 1_000, done: 450, workers: 2, elapsed: .seconds(1))
        #expect(progress.description == "squares 450/1000 45% 450/s, 2 s left, 2 workers")
        progress.done = 1_000
        #expect(progress.description == "squares 1000/1000 100% 1000/s, 2 workers")
        progress = MapProgress(label: nil, total: nil, done: 7, workers: 1, elapsed: .seconds(2))
        #expect(progress.description == "7 4/s, 1 worker")
        progress = MapProgress(label: nil, total: 0, done: 0, workers: 0, elapsed: .zero)
        #expect(progress.description == "0/0 100% 0/s, 0 workers")
        for (total, done) in [(Int.max, 1), (Int.max, Int.max), (1, .max), (.min, .max), (.max, .min)] {
            for elapsed in [Duration.zero, .nanoseconds(1), .seconds(3_000_000_000)] {
                progress = MapProgress(label: nil, total: total, done: done, workers: 1, elapsed: elapsed)
                #expect(!progress.description.isEmpty)
                #expect((progress.remaining ?? .zero) < .seconds(4_000_000_000))
            }
        }
    }
}

/// A terminal that nobody looks at.
private final class Terminal {
    private let screen: Int32
    /// What a program writes to.
    let device: Int32

    init?() {
        // See ioctl_tty(2): TIOCSPTLCK and TIOCGPTN, which are macros that Swift does not see.
        var isLocked: Int32 = 0, number: Int32 = 0
        let screen = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK)
        guard ioctl(screen, 0x4004_5431, &isLocked) == 0, ioctl(screen, 0x8004_5430, &number) == 0 else { return nil }
        self.screen = screen
        device = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        if device < 0 { return nil }
    }

    deinit {
        close(screen)
        close(device)
    }

    /// What is on it, as soon as that ends like this; the system brings it there a moment after it was written.
    func read(until end: String) async throws -> String {
        var shown = ""
        try await eventually {
            shown += text(from: screen)
            return shown.hasSuffix(end)
        }
        return shown
    }
}

/// What is there to be read.
private func text(from descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 1 << 12)
    let count = read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
}
