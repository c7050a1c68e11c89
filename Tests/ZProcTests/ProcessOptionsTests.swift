// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

@Suite(.tags(.process), .timeLimit(.minutes(5))) struct ProcessOptionsTests {
    @Test func aProcessSeesItsEnvironmentAndDirectory() async throws {
        setenv("ZPROC_TEST_GONE", "there", 1)
        setenv("ZPROC_TEST_SAME", "same", 1)
        try await withContext(.processes) { context in
            var options = ProcessOptions()
            options.environment = ["ZPROC_TEST_NEW": "a=b c", "ZPROC_TEST_GONE": nil, "HOME": "/nowhere"]
            options.workingDirectory = "/usr"
            let names = ["ZPROC_TEST_NEW", "ZPROC_TEST_GONE", "ZPROC_TEST_SAME", "HOME"]
            let seen = try await context.spawn(names, options: options) { names in
                names.map { name in getenv(name).map { String(cString: $0) } }
            }.value
            #expect(seen == ["a=b c", nil, "same", "/nowhere"])
            let directory = try await context.spawn(options: options) { workingDirectory() }.value
            #expect(directory == "/usr")
        }
    }

    @Test func aProcessKeepsToItsLimits() async throws {
        try await withContext(.processes) { context in
            var options = ProcessOptions()
            options.niceness = 3
            options.limits = ResourceLimits(
                processorTime: .milliseconds(1_500),
                openFileCount: 200,
                fileByteCount: 1_000
            )
            let seen = try await context.spawn(options: options) {
                [
                    Int(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)), limit(RLIMIT_CPU),
                    limit(RLIMIT_NOFILE), limit(RLIMIT_FSIZE),
                ]
            }.value
            let own = Int(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0))
            #expect(seen == [own + 3, 2, 200, 1_000])

            options.limits = ResourceLimits(memoryByteCount: 64 << 20)
            // The runtime's tool that prints where a program trapped needs memory, too.
            options.environment = ["SWIFT_BACKTRACE": "enable=no"]
            let glutton = try await context.spawn(options: options) {
                var bytes: [[UInt8]] = []
                for _ in 0..<64 { bytes.append([UInt8](repeating: 1, count: 16 << 20)) }
                return bytes.count
            }
            let end = try await #require(throws: ProcessTermination.self) { try await glutton.value }
            #expect(end.signalName != nil)

            options.limits = ResourceLimits(processorTime: .seconds(1))
            let spinner = try await context.spawn(options: options) { while getpid() > 0 {} }
            let spun = try await #require(throws: ProcessTermination.self) { try await spinner.value }
            #expect(spun.signalName == "SIGXCPU")
            options.limits = ResourceLimits(processorTime: .seconds(Int64.max))
            #expect(try await context.spawn(options: options) { 1 }.value == 1)
        }
    }

    @Test func theLastWordsOfAProcessAreKept() async throws {
        try await withContext(.processes) { context in
            var options = ProcessOptions()
            options.standardError = .discarded
            let quitter = try await context.spawn(name: "baker", options: options) {
                say("the oven is hot\nthe cake is burnt\n")
                if getpid() > 0 { exit(3) }
            }
            let quit = try await #require(throws: ProcessTermination.self) { try await quitter.value }
            #expect(quit.standardErrorTail == "the oven is hot\nthe cake is burnt\n")
            #expect(quit.description.hasSuffix("exited with status 3 before its body returned: the cake is burnt"))

            let talker = try await context.spawn(options: options) {
                for number in 0..<30_000 { say("line \(number)\n") }
                kill(getpid(), SIGKILL)
            }
            let killed = try await #require(throws: ProcessTermination.self) { try await talker.value }
            #expect(killed.standardErrorTail.utf8.count == 64 << 10)
            #expect(killed.standardErrorTail.hasSuffix("line 29999\n"))
            #expect(killed.signalName == "SIGKILL")

            let trapped = try await context.spawn(options: options) { if getpid() > 0 { fatalError("no eggs") } }
            let trap = try await #require(throws: ProcessTermination.self) { try await trapped.value }
            #expect(trap.description.contains("Fatal error: no eggs"))
        }
    }

    @Test func linesCanSayWhoseTheyAre() async throws {
        try await withContext(.processes) { context in
            var quiet = ProcessOptions()
            quiet.standardError = .discarded
            // What the inner ones write comes out of the outer one.
            let outer = try await context.spawn(options: quiet) {
                try await withContext(.processes) { inner in
                    var options = ProcessOptions()
                    options.standardError = .prefixed
                    try await inner.spawn(name: "ada", options: options) { say("one\ntwo\nno end") }.value
                    options.standardError = .inherited
                    try await inner.spawn(options: options) { say("plain\n") }.value
                    options.standardError = .discarded
                    try await inner.spawn(options: options) { say("nobody reads this\n") }.value
                }
                kill(getpid(), SIGKILL)
            }
            let end = try await #require(throws: ProcessTermination.self) { try await outer.value }
            // A line without an end is passed on when its writer has gone, which may be after the next one's work.
            let lines = end.standardErrorTail.split(separator: "\n")
            #expect(lines.count == 4)
            #expect(lines.filter { $0.hasPrefix("[ada] ") } == ["[ada] one", "[ada] two", "[ada] no end"])
            #expect(lines.contains("plain"))
        }
    }

    @Test(arguments: Backend.allCases)
    func aBodyHasItsTime(on backend: Backend) async throws {
        try await withContext(backend) { context in
            var options = ProcessOptions()
            options.timeout = .milliseconds(50)
            let slow = try await context.spawn(name: "slow", options: options) {
                while !Task.isCancelled { try? await Task.sleep(for: .milliseconds(5)) }
                return 1
            }
            let end = try await #require(throws: ProcessTermination.self) { try await slow.value }
            #expect(end.cause == .timedOut(after: .milliseconds(50)))
            #expect(end.description.contains("'slow'"))
            // It is stopped, too.
            try await eventually { await !slow.isRunning }
            options.timeout = .seconds(Int64.max)
            #expect(try await context.spawn(options: options) { 2 }.value == 2)
        }
    }

    @Test func optionsThatCannotBeAreErrors() async throws {
        try await withContext(.processes) { context in
            func expectProblem(_ word: String, _ change: (inout ProcessOptions) -> Void) async throws {
                var options = ProcessOptions()
                change(&options)
                let error = await #expect(throws: SpawnError.self) {
                    _ = try await context.spawn(options: options) { 1 }
                }
                #expect(error?.message.contains(word) == true)
            }
            try await expectProblem("a=b") { $0.environment = ["a=b": "c"] }
            try await expectProblem("variable") { $0.environment = ["": "c"] }
            try await expectProblem("/nowhere/at/all") { $0.workingDirectory = "/nowhere/at/all" }
            try await expectProblem("-1") { $0.niceness = -1 }
            try await expectProblem("1000000 threads") { $0.threadCount = 1_000_000 }
            try await expectProblem("negative") { $0.limits.openFileCount = -1 }
            #expect(try await context.spawn { 1 }.value == 1)
        }
        try await withContext(.threads) { context in
            var options = ProcessOptions()
            options.workingDirectory = "/"
            let error = await #expect(throws: SpawnError.self) { _ = try await context.spawn(options: options) { 1 } }
            #expect(error?.message.contains(".processes") == true)
        }
    }
}

private func workingDirectory() -> String {
    guard let path = getcwd(nil, 0) else { return "" }
    defer { free(path) }
    return String(cString: path)
}

private func limit(_ resource: __rlimit_resource) -> Int {
    var limit = rlimit()
    return getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 ? Int(limit.rlim_cur) : -1
}

/// Writes to standard error.
