// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc
import ZProcCore

@Suite(.tags(.process), .timeLimit(.minutes(5))) struct SpawnTests {
    @Test func processesAreProcessesAndThreadsAreNot() async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn { Int(getpid()) }
            #expect(try await process.value == process.pid)
            #expect(process.pid != Int(getpid()))
        }
        try await withContext(.threads) { context in
            let process = try await context.spawn { Int(getpid()) }
            #expect(try await process.value == Int(getpid()))
            #expect(process.pid == Int(getpid()))
        }
    }

    @Test(arguments: Backend.allCases)
    func valuesAreKept(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let process = try await context.spawn(2, [3], "x") { $0 + $1[0] + $2.count }
            #expect(try await process.value == 6)
            #expect(try await process.value == 6)
            try await eventually { await !process.isRunning }
        }
    }

    @Test(arguments: Backend.allCases)
    func codableErrorsKeepTheirType(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let process = try await context.spawn { throw TestFailure(reason: "no flour") }
            await #expect(throws: TestFailure(reason: "no flour")) { try await process.value }
        }
    }

    @Test func otherErrorsComeAsRemoteErrors() async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn { throw PlainError(description: "burnt") }
            let error = try await #require(throws: RemoteError.self) { try await process.value }
            #expect(error.typeName.hasSuffix("PlainError"))
            #expect(error.message == "burnt")
            #expect(error.processID == process.pid)
        }
    }

    @Test func exitIsAnErrorAtTheWaiter() async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn(3, name: "quitter") { status in if status > 0 { exit(Int32(status)) }
            }
            let error = try await #require(throws: ProcessTermination.self) { try await process.value }
            #expect(error.cause == .exit(status: 3))
            #expect(error.processID == process.pid)
            #expect(error.description.contains("quitter"))
        }
    }

    @Test(arguments: [SIGKILL, SIGUSR1, SIGTERM])
    func deathBySignalIsAnErrorAtTheWaiter(_ number: Int32) async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn(number) { number in
                kill(getpid(), number)
                try await Task.sleep(for: .seconds(100))
            }
            let error = try await #require(throws: ProcessTermination.self) { try await process.value }
            #expect(error.cause == .signal(Int(number)))
        }
    }

    @Test func aTrapIsAnErrorAtTheWaiter() async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn([1, 2]) { numbers in numbers[numbers.count] }
            let error = try await #require(throws: ProcessTermination.self) { try await process.value }
            guard case .trap = error.cause else {
                Issue.record("the trap was reported as \(error)")
                return
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func stopCancelsTheBody(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let process = try await context.spawn {
                try await state.set("started", to: true)
                do {
                    try await Task.sleep(for: .seconds(1_000))
                } catch {
                    try await state.set("cancelled", to: Task.isCancelled)
                    throw error
                }
            }
            try await eventually { try await state.contains("started") }
            #expect(await process.isRunning)
            await process.stop(grace: .seconds(20))
            #expect(await !process.isRunning)
            await #expect(throws: CancellationError.self) { try await process.value }
            #expect(try await state.get("cancelled", as: Bool.self) == true)
        }
    }

    @Test(arguments: Backend.allCases)
    func stopCallsTheBodysCancellationHandlers(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let process = try await context.spawn {
                try await state.set("started", to: true)
                let called = Promise<Void>()
                await withTaskCancellationHandler {
                    // Cancelled or not: only the handler ends it.
                    _ = await called.settled()
                } onCancel: {
                    called.settle()
                }
                return Task.isCancelled
            }
            try await state.first { $0.contains("started") }
            await process.stop(grace: .seconds(20))
            #expect(try await process.value)
        }
    }

    /// SIGTERM, and not SIGKILL, is what ends a body that does not notice that it is cancelled.
    @Test func stopEndsBodiesThatBlock() async throws {
        try await withContext(.processes) { context in
            let state = context.state
            let blocked = try await context.spawn {
                try await state.set("blocks", to: true)
                while true { usleep(1_000_000) }
            }
            try await state.first { $0.contains("blocks") }
            await blocked.stop(grace: .milliseconds(50))
            let error = try await #require(throws: ProcessTermination.self) { try await blocked.value }
            // Unless the machine is so slow that it is still dying after the grace.
            #expect(error.cause == .signal(Int(SIGTERM)), "\(error)")
        }
    }

    @Test func aTerminatedProcessTidiesUpAndDiesOfTheSignal() async throws {
        try await withContext(.processes) { context in
            let state = context.state
            let process = try await context.spawn {
                let inner = try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
                try await state.set("inner", to: inner.pid ?? 0)
                do {
                    try await Task.sleep(for: .seconds(1_000))
                } catch {
                    try await state.set("tidied", to: true)
                    throw error
                }
            }
            let inner = try await state.first { $0.contains("inner") }.get("inner", default: 0)
            try process.signal(SIGTERM)
            let error = try await #require(throws: ProcessTermination.self) { try await process.value }
            #expect(error.cause == .signal(Int(SIGTERM)), "\(error)")
            #expect(try await state.get("tidied", as: Bool.self) == true)
            #expect(!exists(inner))

            // What is done in spite of it is done.
            let stubborn = try await context.spawn {
                try await state.set("stubborn", to: true)
                try? await Task.sleep(for: .seconds(1_000))
                return 4
            }
            try await state.first { $0.contains("stubborn") }
            try stubborn.signal(SIGTERM)
            #expect(try await stubborn.value == 4)
        }
    }

    @Test func aSecondSIGTERMEndsABodyThatDoesNotListen() async throws {
        try await withContext(.processes) { context in
            let state = context.state
            let deaf = try await context.spawn {
                try await state.set("runs", to: true)
                while !Task.isCancelled { usleep(1_000) }
                try await state.set("isCancelled", to: true)
                while true { usleep(1_000_000) }
            }
            try await state.first { $0.contains("runs") }
            try deaf.signal(SIGTERM)
            try await state.first { $0.contains("isCancelled") }
            #expect(await deaf.isRunning)
            try deaf.signal(SIGTERM)
            let error = try await #require(throws: ProcessTermination.self) { try await deaf.value }
            #expect(error.cause == .signal(Int(SIGTERM)), "\(error)")
        }
    }

    @Test func stopEndsBodiesThatDoNotListen() async throws {
        try await withContext(.processes) { context in
            let state = context.state
            let deaf = try await context.spawn {
                signal(SIGTERM, SIG_IGN)
                try await state.set("deaf", to: true)
                while true { usleep(1_000_000) }
            }
            try await eventually { try await state.contains("deaf") }
            await deaf.stop(grace: .milliseconds(50))
            let error = try await #require(throws: ProcessTermination.self) { try await deaf.value }
            #expect(error.cause == .signal(Int(SIGKILL)))
            #expect(try !exists(#require(deaf.pid)))
        }
    }

    @Test(arguments: Backend.allCases)
    func cancellingTheWaiterStopsTheProcess(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let state = context.state
            let process = try await context.spawn {
                try await state.set("started", to: true)
                try await Task.sleep(for: .seconds(1_000))
            }
            try await eventually { try await state.contains("started") }
            let waiter = Task { try await process.value }
            waiter.cancel()
            await #expect(throws: CancellationError.self) { try await waiter.value }
            try await eventually { await !process.isRunning }
        }
    }

    @Test(arguments: Backend.allCases)
    func leavingTheScopeStopsWhatRuns(on backend: Backend) async throws {
        let process = try await withContext(backend) { context in
            let state = context.state
            let process = try await context.spawn {
                try await state.set("started", to: true)
                try await Task.sleep(for: .seconds(1_000))
            }
            try await eventually { try await state.contains("started") }
            return process
        }
        #expect(await !process.isRunning)
        if backend == .processes { #expect(try !exists(#require(process.pid))) }
    }

    @Test(arguments: Backend.allCases)
    func bodiesSpawnBodies(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let depth = try await context.spawn {
                let state = context.state
                try await state.set("1", to: Int(getpid()))
                let process = try await context.spawn(2) { level in
                    try await state.set("2", to: Int(getpid()))
                    return try await context.spawn { () -> Int in
                        try await state.set("3", to: Int(getpid()))
                        return level + 1
                    }.value
                }
                return try await process.value
            }.value
            #expect(depth == 3)
            let pids = try await context.state.snapshot()
            let different = Set(try ["1", "2", "3"].map { try pids.get($0, default: 0) })
            #expect(different.count == (backend == .processes ? 3 : 1))
        }
    }

    @Test func aRefusedClosureStartsNothing() async throws {
        try await withContext(.processes) { context in
            let untravelled = NotCodable(), number = Int(getpid())
            let error = try await #require(throws: PortableClosureError.self) {
                try await context.spawn { untravelled.value + number }
            }
            #expect(error.code == .captureNotCodable)
            #expect(error.location?.fileID == "ZProcTests/SpawnTests.swift")
            #expect(error.location?.line == #line - 5)
            #expect(error.message.contains("NotCodable"))
        }
    }

    @Test func aContextThatEndedSpawnsNothing() async throws {
        for backend in Backend.allCases {
            let context = try Context(backend)
            await context.shutdown()
            await context.shutdown()
            await #expect(throws: (any Error).self) { try await context.spawn { 1 } }
        }
    }

    @Test func resultsOfAnySizeComeBack() async throws {
        try await withContext(.processes) { context in
            let bytes = try await context.spawn { [UInt8](repeating: 5, count: 32 << 20) }.value
            #expect(bytes == [UInt8](repeating: 5, count: 32 << 20))
        }
    }

    @Test(arguments: Backend.allCases)
    func theMainActorWorksInBodies(on backend: Backend) async throws {
        try await withContext(backend) { context in
            let process = try await context.spawn { await MainActor.run { 6 * 7 } }
            #expect(try await process.value == 42)
        }
    }
}
