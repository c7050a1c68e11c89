// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import Glibc
import ZProc

private struct OvenError: Error, Codable { var degrees: Int }

/// The pieces of `Processes.md`, in its order; what is between the lines is the guide's, word for word.
enum ProcessesSnippets {
    static func piece1(_ context: Context) async throws {
        // ---
        let process = try await context.spawn(14) { number in number * 3 }
        let answer = try await process.value  // 42, and the same each time it is asked for
        // ---
        try expect("answer", answer, 42)
    }

    static func piece2(_ context: Context) async throws {
        let index = Int(getpid())
        // ---
        do {
            try await context.isolated { _ = [Int]()[index] }
        } catch let end as ProcessTermination {
            switch end.cause {
            case .trap: print("a mistake in the code: \(end)")
            case .signal(let number): print("killed by \(end.signalName ?? "signal \(number)")")
            case .exit(let status): print("it called exit(\(status))")
            case .outOfMemory: print("it wanted more than \(end.peakMemoryByteCount >> 20) MiB")
            case .timedOut(let time): print("it took more than \(time)")
            case .lostContact: print("it can no longer be reached")
            }
        }
        // ---
    }

    static func piece3(_ context: Context) async throws {
        // ---
        let reader = try await context.spawn(name: "reader") { try await Task.sleep(for: .seconds(100)) }
        let writer = try await context.spawn(name: "writer") { throw ProcessExit(code: 1) }
        writer.link(to: reader)
        for await down in reader.monitor() { print(down) }  // reader is down: stopped
        // ---
        try expect("linked", await reader.down.reason.isNormal, true)
    }

    static func piece4(_ context: Context) async throws {
        guard context.backend == .processes else { return }
        // ---
        var options = ProcessOptions()
        options.environment = ["LANG": "C"]
        options.workingDirectory = "/tmp"
        options.niceness = 5
        options.limits.memoryByteCount = 512 << 20
        options.timeout = .seconds(10)
        options.threadCount = 1
        options.standardOutput = .streamed
        let lister = try await context.spawn(name: "lister", options: options) { print("one\ntwo") }
        for await line in lister.standardOutput.lines { print("read \(line)") }
        // ---
        try await lister.value
    }

    static func piece5(_ context: Context) async throws {
        // ---
        let sleeper = try await context.spawn(options: .blocking) { usleep(1_000) }
        // ---
        try expect("slept", try await sleeper.value, 0)
    }

    static func piece6(_ context: Context) async throws {
        // ---
        let policy = RetryPolicy(
            5,
            delay: .exponential(from: .milliseconds(10), ceiling: .seconds(1)),
            on: .signal(SIGKILL),
            .error(OvenError.self)
        )
        let baker = try await context.spawn(180, retry: policy, retryArguments: { 180 + $0.attempt }) { degrees in
            if degrees < 182 { throw OvenError(degrees: degrees) }
            return degrees
        }
        for await report in baker.retries { print(report) }  // attempt 1 of a body (process 4711) failed, …
        // ---
        try expect("degrees", try await baker.value, 182)
    }

    static func piece7(_ context: Context) async throws {
        // ---
        let lengths = try await context.spawnMap(["flour", "eggs"], 1...) { word, number in "\(number) \(word)".count }
        let sum = try await lengths.values.reduce(0, +)

        let cooks = try await context.spawn(count: 3, name: "cook", start: false) {
            try await Task.sleep(for: .seconds(100))
        }
        try await cooks.start()
        do {
            try await cooks.wait(timeout: .milliseconds(1))
        } catch let error as ProcessTimeout {
            print(error)  // after 0.001 seconds still running: cook, cook, cook; …
        }
        await cooks.stop()
        // ---
        try expect("sum", sum, 13)
    }

    static func piece8(_ context: Context) async throws {
        // ---
        let total = try await context.withProcessGroup(of: Int.self) { group in
            for number in 1...4 { try await group.spawn(number) { $0 * $0 } }
            return try await group.reduce(0, +)  // as they end; the first failure stops the rest
        }
        // ---
        try expect("total", total, 30)
    }

    static func piece9() async throws {
        // ---
        var scope = ContextOptions()
        scope.atEnd = .wait  // the default is .stop
        try await withContext(.processes, options: scope) { context in
            try await context.spawn { try await context.state.set("bread", to: "baked") }
        }
        // ---
    }

    static func piece10() async throws {
        // ---
        var options = ContextOptions()
        options.transport = .zeroMQ
        try await withContext(.processes, options: options) { context in
            let process = try await context.spawn { "over ZeroMQ" }
            print(try await process.value)
        }
        // ---
    }

    static func run(_ context: Context, _ state: SharedState) async throws {
        for piece in [piece1, piece2, piece3, piece4, piece5, piece6, piece7, piece8] { try await piece(context) }
        try await piece9()
        try await piece10()
    }
}
