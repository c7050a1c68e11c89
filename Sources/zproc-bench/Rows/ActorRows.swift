// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

extension Row {
    /// Calls of a distributed actor, which with `.processes` lives in another process.
    static let actors = [
        Row("actor.call", on: .threads, in: .nanoseconds, against: PlainCounter.latencyName, reach: .atMost(20)) {
            turns in
            let plain = PlainCounter()
            return try await withCounter(.threads) { counter in
                try await turns.alternate {
                    await plain.latency(for: $0)
                } ours: {
                    try await sample(for: $0, batch: PlainCounter.batch) { calls in
                        for _ in 0..<calls { _ = try await counter.increment(by: 1) }
                    }
                }
            }
        },
        callRow("actor.call"),
        callRow("actor.call.zeromq", over: .zeroMQ),
        Row(
            "actor.throughput",
            on: .threads,
            in: .callsPerSecond,
            against: PlainCounter.throughputName,
            reach: .atLeast(0.05)
        ) { turns in
            let plain = PlainCounter()
            return try await withCounter(.threads) { counter in
                try await turns.alternate {
                    try await plain.throughput(for: $0)
                } ours: {
                    try await sampleRate(for: $0, tasks: Echo.inFlight, batch: 16) { calls in
                        for _ in 0..<calls { _ = try await counter.increment(by: 1) }
                    }
                }
            }
        },
        throughputRow("actor.throughput"),
        throughputRow("actor.throughput.onethread", threadCount: 1),
        throughputRow("actor.throughput.zeromq", over: .zeroMQ),
    ]
}

/// The row of calls to another process, one at a time.
private func callRow(_ name: String, over transport: ContextOptions.Transport = .unixSockets) -> Row {
    Row(name, on: .processes, in: .microseconds, against: CEcho.latencyName, reach: .atMost(1.3)) { turns in
        let echo = try CEcho()
        return try await withCounter(.processes, over: transport) { counter in
            try await turns.alternate {
                try echo.latency(for: $0)
            } ours: {
                try await sample(for: $0) { _ in _ = try await counter.increment(by: 1) }
            }
        }
    }
}

/// The row of calls to another process, many at a time.
private func throughputRow(
    _ name: String,
    over transport: ContextOptions.Transport = .unixSockets,
    threadCount: Int? = nil
) -> Row {
    Row(name, on: .processes, in: .callsPerSecond, against: CEcho.throughputName, reach: .atLeast(0.2)) { turns in
        let echo = try CEcho()
        return try await withCounter(.processes, over: transport, threadCount: threadCount) { counter in
            try await turns.alternate {
                try echo.throughput(for: $0)
            } ours: {
                try await sampleRate(for: $0, tasks: Echo.inFlight) { _ in _ = try await counter.increment(by: 1) }
            }
        }
    }
}

private func withCounter(
    _ backend: Backend,
    over transport: ContextOptions.Transport = .unixSockets,
    threadCount: Int? = nil,
    _ body: (Counter) async throws -> Figures
) async throws -> Figures {
    var options = ContextOptions()
    options.transport = transport
    options.threadCount = threadCount
    return try await withContext(backend, options: options) { context in
        try await body(try await context.host { Counter(actorSystem: $0) })
    }
}
