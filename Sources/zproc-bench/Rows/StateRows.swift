// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import ZProc

extension Row {
    /// Single keys of a shared state: in one process, and by messages from another.
    static let state =
        [
            threadsRow("state.get") { state, calls in
                for _ in 0..<calls { _ = try await state.get(key, as: Int.self) }
            },
            threadsRow("state.set") { state, calls in
                for number in 0..<calls { try await state.set(key, to: number) }
            },
            threadsRow("state.update") { state, calls in try await increment(state, calls) },
            messagesRow("state.get.messages") { state, calls in
                for _ in 0..<calls { _ = try await state.get(key, as: Int.self) }
            },
            messagesRow("state.set.messages") { state, calls in
                for number in 0..<calls { try await state.set(key, to: number) }
            },
            messagesRow("state.update.messages") { state, calls in try await increment(state, calls) },
            messagesRow("state.get.zeromq", over: .zeroMQ) { state, calls in
                for _ in 0..<calls { _ = try await state.get(key, as: Int.self) }
            },
            messagesRow("state.set.zeromq", over: .zeroMQ) { state, calls in
                for number in 0..<calls { try await state.set(key, to: number) }
            },
            messagesRow("state.update.zeromq", over: .zeroMQ) { state, calls in try await increment(state, calls) },
        ]

    /// Single keys of a state that processes share, from a spawned process.
    static let sharedState: [Row] =
        [
            processRow("state.get", access: .automatic, reach: .atMost(0.02)) { state, calls in
                for _ in 0..<calls { _ = try await state.get(key, as: Int.self) }
            },
            processRow("state.set", access: .automatic, reach: .atMost(0.05)) { state, calls in
                for number in 0..<calls { try await state.set(key, to: number) }
            },
            processRow("state.update", access: .automatic, reach: .atMost(0.05)) { state, calls in
                try await increment(state, calls)
            },
            Row(
                "state.update.contended",
                on: .processes,
                in: .nanoseconds,
                against: LMDBCounter.name,
                reach: .atMost(4)
            ) { turns in
                let reference = try LMDBCounter()
                return try await withContext(.processes) { context in
                    let ours = ContendedCounter(context: context)
                    return try await turns.alternate {
                        try reference.time(for: $0, processes: ContendedCounter.processes)
                    } ours: {
                        try await ours.time(for: $0)
                    }
                }
            },
            pipelinedRow,
        ] + Backend.allCases.map(largeRow)

    private static func largeRow(on backend: Backend) -> Row {
        Row(
            "state.update.large",
            on: backend,
            in: .nanoseconds,
            against: "the same, 100 keys",
            reach: .atMost(3)
        ) { turns in
            try await withContext(backend) { context in
                let small = try await context.filledState("small", keys: 100)
                let large = try await context.filledState("large", keys: 1_000_000)
                return try await turns.alternate {
                    try await sample(small, for: $0, batch: PlainCounter.batch) { try await increment($0, $1) }
                } ours: {
                    try await sample(large, for: $0, batch: PlainCounter.batch) { try await increment($0, $1) }
                }
            }
        }
    }

    private static let pipelinedRow = Row(
        "state.pipelined",
        on: .processes,
        in: .updatesPerSecond,
        against: CEcho.throughputName,
        reach: .atLeast(0.2)
    ) { turns in
        let echo = try CEcho()
        return try await withContext(.processes, state: .init(access: .messages)) { context in
            let state = try await context.filledState("thousand", keys: 1000)
            return try await turns.alternate {
                try echo.throughput(for: $0)
            } ours: { span in
                let process = try await context.spawn(span) { span in
                    try await sampleRate(for: span, tasks: Echo.inFlight) { _ in _ = try await state.increment(key) }
                }
                return try await process.value
            }
        }
    }
}

/// A counter in a state that several spawned processes increment at once.
struct ContendedCounter {
    static let processes = 4
    /// Until all processes have started.
    static let headStart: Nanoseconds = 300_000_000

    let context: Context

    /// The time for one increment.
    func time(for span: Nanoseconds) async throws -> Samples {
        let state = context.state
        let before = try await state.get("contended", default: 0)
        let start = cbr_now() + Self.headStart
        var processes: [SpawnedProcess<Void>] = []
        for _ in 0..<Self.processes {
            let process = try await context.spawn(start, start + span) { start, end in
                // Open what is opened at the first use.
                _ = try await state.get("contended", as: Int.self)
                while cbr_now() < start { try await Task.sleep(for: .microseconds(100)) }
                while cbr_now() < end {
                    for _ in 0..<16 { try await state.update { $0["contended", default: 0] += 1 } }
                }
            }
            processes.append(process)
        }
        for process in processes { try await process.value }
        var samples = Samples()
        let count = try await state.get("contended", default: 0) - before
        samples.record(Double(span) / Double(max(1, count)))
        return samples
    }
}

/// Does something to one key of a state, as many times as it is told.
private typealias StateOperation = @Sendable (SharedState, Int) async throws -> Void

/// The key that is used, one among many.
private let key = "key 42"

/// The row of one operation in the process that keeps the state.
private func threadsRow(_ name: String, _ operation: @escaping StateOperation) -> Row {
    Row(name, on: .threads, in: .nanoseconds, against: PlainCounter.latencyName, reach: .atMost(10)) { turns in
        let plain = PlainCounter()
        return try await withContext(.threads) { context in
            let state = try await context.filledState("thousand", keys: 1000)
            return try await turns.alternate {
                await plain.latency(for: $0)
            } ours: {
                try await sample(state, for: $0, batch: PlainCounter.batch, operation)
            }
        }
    }
}

/// The row of one operation that is a message there and one back.
private func messagesRow(
    _ name: String,
    over transport: ContextOptions.Transport = .unixSockets,
    _ operation: @escaping StateOperation
) -> Row {
    processRow(name, access: .messages, over: transport, reach: .atMost(1.5), operation)
}

/// The row of one operation in a spawned process.
private func processRow(
    _ name: String,
    access: StateOptions.Access,
    over transport: ContextOptions.Transport = .unixSockets,
    reach: Reach,
    _ operation: @escaping StateOperation
) -> Row {
    Row(name, on: .processes, in: .microseconds, against: CEcho.latencyName, reach: reach) { turns in
        let echo = try CEcho(), batch = access == .messages ? 1 : 16
        var options = ContextOptions()
        options.transport = transport
        return try await withContext(.processes, state: .init(access: access), options: options) { context in
            let state = try await context.filledState("thousand", keys: 1000)
            return try await turns.alternate {
                try echo.latency(for: $0)
            } ours: { span in
                let process = try await context.spawn(span, batch) { span, batch in
                    _ = try await sample(state, for: span / 8, batch: batch, operation)
                    return try await sample(state, for: span, batch: batch, operation)
                }
                return try await process.value
            }
        }
    }
}

private func sample(
    _ state: SharedState,
    for span: Nanoseconds,
    batch: Int,
    _ operation: StateOperation
) async throws -> Samples {
    try await zproc_bench.sample(for: span, batch: batch) { calls in try await operation(state, calls) }
}

private func increment(_ state: SharedState, _ calls: Int) async throws {
    for _ in 0..<calls {
        try await state.update { draft in draft[key, default: 0] += 1 }
    }
}

extension Context {
    /// A state of its own with `keys` integers.
    fileprivate func filledState(_ namespace: String, keys: Int) async throws -> SharedState {
        let state = state(namespace: namespace)
        try await state.merge(Dictionary(uniqueKeysWithValues: (0..<keys).map { ("key \($0)", $0) }))
        return state
    }
}
