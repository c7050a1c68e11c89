// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProc
import ZProcComparison

@Suite struct CompareBackendsTests {
    @Test func allBackendsDoTheSameWork() async throws {
        let comparison = try await compareBackends(rounds: 2, operations: 100, loop: { 4_950 }) { context in
            try await context.swarm(workers: 2).map(0..<100) { $0 }.reduce(0, +)
        }
        #expect(comparison.isComplete)
        #expect(comparison.figures.map(\.name) == ["one loop", "threads", "processes", "processes, ZeroMQ"])
        for figures in comparison.figures {
            #expect(figures.seconds.count == 2)
            #expect(figures.processorSeconds.count == 2)
            #expect(figures.processorSeconds.allSatisfy { $0 >= 0 })
            #expect(figures.range?.contains(try #require(figures.medianSeconds)) == true)
            let throughput = try #require(comparison.throughput(of: figures))
            #expect(throughput > 0)
        }
        #expect(comparison.speedUp(of: comparison.figures[0]) == nil)
        #expect(comparison.speedUp(of: comparison.figures[1]) != nil)
    }

    /// More than one process is at work, so their memory together is more than one has.
    @Test func memoryIsThatOfAllProcesses() async throws {
        let size = 64 << 20
        let comparison = try await compareBackends([.processes], rounds: 1) { context in
            try await context.spawn(size) { size in
                let bytes = [UInt8](repeating: 1, count: size)
                try await Task.sleep(for: .milliseconds(200))
                return bytes.count
            }.value
        }
        #expect(comparison.isComplete, "\(comparison)")
        #expect(try #require(comparison.figures[0].peakMemory) > size)
    }

    @Test func whatCannotRunSaysWhyAndTheOthersGoOn() async throws {
        let secret = NotCodable()
        let comparison = try await compareBackends(rounds: 1) { context in
            try await context.spawn { secret.number }.value
        }
        #expect(!comparison.isComplete)
        #expect(comparison.figures[0].failure == nil)
        #expect(comparison.figures[0].seconds.count == 1)
        for figures in comparison.figures.dropFirst() {
            #expect(figures.failure?.contains("NotCodable") == true, "\(figures)")
            #expect(figures.medianSeconds == nil)
        }
        #expect(comparison.description.contains("failed: "))
    }

    @Test func anotherResultIsAFailure() async throws {
        let comparison = try await compareBackends([.threads, .processes], rounds: 3) { $0.backend.description }
        #expect(comparison.figures[0].failure == nil)
        #expect(comparison.figures[1].failure == "the result is processes, and threads of threads")
        #expect(comparison.figures[1].seconds.isEmpty)
    }

    @Test func theLoopHasTheResultThatIsExpected() async throws {
        let comparison = try await compareBackends([.threads], rounds: 1, loop: { 1 }, { _ in 2 })
        #expect(comparison.figures.map { $0.failure == nil } == [true, false])
    }

    @Test func bodiesThatReturnNothingAreTimedToo() async throws {
        let comparison = try await compareBackends([.threads, .messages], rounds: 2) { context in
            try await context.state.update { $0["count", default: 0] += 1 }
        }
        #expect(comparison.isComplete)
        #expect(comparison.figures.map(\.name) == ["threads", "processes, ZeroMQ"])
    }

    @Test func eachRunHasAStateOfItsOwn() async throws {
        let comparison = try await compareBackends(rounds: 2) { try await $0.state.increment("count") }
        #expect(comparison.isComplete, "\(comparison)")
    }

    @Test func cancellingEndsTheComparison() async throws {
        let task = Task {
            try await compareBackends([.threads], rounds: 1_000_000) { _ in withUnsafeCurrentTask { $0?.cancel() } }
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}

private struct NotCodable: Sendable {
    final class Part: Sendable { let number = 1 }
    let part = Part()
    var number: Int { part.number }
}
