// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import Glibc
import ZProc

extension Row {
    /// Work on two workers.
    static let swarms =
        Backend.allCases.flatMap { backend in
            [
                Row(
                    "swarm.map.ints",
                    on: backend,
                    in: .microseconds,
                    against: PythonPool.isPresent ? PythonPool.name : "the same loop, one thread",
                    reach: PythonPool.isPresent ? .atMost(0.3) : .atMost(10)
                ) { turns in
                    try await withContext(backend) { context in
                        let swarm = try context.swarm(workers: workerCount)
                        return try await turns.alternate { span in
                            PythonPool.isPresent
                                ? try PythonPool.squares(for: span) : try await sampleSquares(for: span)
                        } ours: { span in
                            try await sample(for: span) { _ in
                                let squares = try await swarm.map(0..<squareCount) { $0 &* $0 }
                                try check(squares)
                            }
                        }
                    }
                },
                Row(
                    "swarm.map.cpu",
                    on: backend,
                    in: .itemsPerSecond,
                    against: "ideal on \(workerCount) cores",
                    reach: .atLeast(0.95)
                ) { try await spin(even, on: backend, $0) },
                Row(
                    "swarm.map.uneven",
                    on: backend,
                    in: .itemsPerSecond,
                    against: "ideal on \(workerCount) cores",
                    reach: .atLeast(0.9)
                ) { try await spin(uneven, on: backend, $0) },
            ]
        } + [
            Row("swarm.task", on: .processes, in: .callsPerSecond, against: CEcho.throughputName, reach: .atLeast(0.1))
            {
                turns in
                let echo = try CEcho()
                return try await withContext(.processes) { context in
                    let swarm = try context.swarm(workers: workerCount)
                    return try await turns.alternate {
                        try echo.throughput(for: $0)
                    } ours: { _ in
                        let before = cbr_now()
                        try await withThrowingTaskGroup(of: Int.self) { group in
                            for number in 0..<taskCount { group.addTask { try await swarm.run(number) { $0 &+ 1 } } }
                            let sum = try await group.reduce(0, &+)
                            guard sum == taskCount * (taskCount + 1) / 2 else { throw BenchError("a task is wrong") }
                        }
                        var samples = Samples()
                        samples.record(Double(taskCount) * 1e9 / Double(cbr_now() - before))
                        return samples
                    }
                }
            },
            Row("swarm.task.latency", on: .processes, in: .microseconds, against: CEcho.latencyName, reach: .atMost(2))
            {
                turns in
                let echo = try CEcho()
                return try await withContext(.processes) { context in
                    let swarm = try context.swarm(workers: 1)
                    return try await turns.alternate {
                        try echo.latency(for: $0)
                    } ours: {
                        try await sample(for: $0) { _ in _ = try await swarm.run(1) { $0 &+ 1 } }
                    }
                }
            },
            Row(
                "swarm.blob",
                on: .processes,
                in: .bytesPerSecond,
                against: "the same bytes through a pipe",
                reach: .atLeast(0.5)
            ) { turns in
                try await withContext(.processes) { context in
                    let swarm = try context.swarm(workers: workerCount)
                    let blobs = [[UInt8]](repeating: [UInt8](repeating: 7, count: blobByteCount), count: blobCount)
                    return try await turns.alternate { _ in
                        let before = cbr_now()
                        guard cbr_pipe_copy(blobByteCount, 2 * blobCount) == 0 else { throw BenchError("no pipe") }
                        return Samples(bytesSince: before)
                    } ours: { _ in
                        let before = cbr_now()
                        var count = 0
                        for try await blob in try swarm.mapLazy(blobs, transform: { $0 }) { count += blob.count }
                        guard count == blobCount * blobByteCount else { throw BenchError("a blob is wrong") }
                        return Samples(bytesSince: before)
                    }
                }
            },
        ]

    private static let workerCount = 2
    private static let squareCount = 1_000_000, taskCount = 10_000
    fileprivate static let blobCount = 64, blobByteCount = 16 << 20
    /// How many rounds of `spin` each item takes: 2,000 of about 1 ms.
    private static let even = [Int](repeating: 400_000, count: 2_000)
    /// The same work in all, divided by a power law.
    private static let uneven: [Int] = {
        var state: UInt64 = 1
        let weights = (0..<2_000).map { _ -> Double in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let draw = (Double(state >> 11) + 1) / Double(1 << 53)
            return min(50, 1 / draw.squareRoot().squareRoot().squareRoot() / draw.squareRoot())
        }
        let total = weights.reduce(0, +)
        return weights.map { Int($0 / total * 400_000 * 2_000) }
    }()

    private static func check(_ squares: [Int]) throws {
        guard squares.count == squareCount, squares[squareCount - 1] == (squareCount - 1) * (squareCount - 1) else {
            throw BenchError("a square is wrong")
        }
    }

    private static func sampleSquares(for span: Nanoseconds) async throws -> Samples {
        try await sample(for: span) { _ in try check((0..<squareCount).map { $0 &* $0 }) }
    }

    private static func spin(_ costs: [Int], on backend: Backend, _ turns: Turns) async throws -> Figures {
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: workerCount)
            let total = UInt64(costs.reduce(0, +))
            return try await turns.alternate { _ in
                let before = cbr_now()
                // What the cores can do at best: each an equal share of the rounds, in one go.
                guard cbr_spin_together(Int32(workerCount), total) == 0 else { throw BenchError("no threads") }
                return Samples(itemsSince: before, costs.count)
            } ours: { _ in
                let before = cbr_now()
                let ends = try await swarm.map(costs) { cbr_spin(UInt64($0)) }
                guard ends.count == costs.count else { throw BenchError("an item is missing") }
                return Samples(itemsSince: before, costs.count)
            }
        }
    }
}

extension Samples {
    fileprivate init(itemsSince start: Nanoseconds, _ count: Int) {
        self.init()
        record(Double(count) * 1e9 / Double(cbr_now() - start))
    }

    fileprivate init(bytesSince start: Nanoseconds) {
        self.init()
        record(2 * Double(Row.blobCount * Row.blobByteCount) * 1e9 / Double(cbr_now() - start))
    }
}

/// The same map in Python, where that is installed.
private enum PythonPool {
    static let name = "Python's multiprocessing.Pool, 2 workers"
    static let isPresent = access("/usr/bin/python3", X_OK) == 0

    /// How long `Pool.map` takes for a million squares.
    static func squares(for span: Nanoseconds) throws -> Samples {
        let script = """
            import multiprocessing, time
            def square(n): return n * n
            with multiprocessing.Pool(2) as pool:
                pool.map(square, range(1000))
                end = time.monotonic() + \(Double(span) / 1e9)
                while True:
                    before = time.perf_counter_ns()
                    assert len(pool.map(square, range(1000000))) == 1000000
                    print(time.perf_counter_ns() - before)
                    if time.monotonic() > end: break
            """
        guard let output = popen("/usr/bin/python3 -c '\(script)'", "r") else {
            throw BenchError("cannot start Python")
        }
        var samples = Samples(), line = [CChar](repeating: 0, count: 64)
        while fgets(&line, Int32(line.count), output) != nil {
            let text = String(decoding: line.prefix { $0 > 32 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if let time = Double(text) { samples.record(time) }
        }
        guard pclose(output) == 0 else { throw BenchError("the script in Python failed") }
        return samples
    }
}
