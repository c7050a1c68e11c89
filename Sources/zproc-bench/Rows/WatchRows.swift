// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import ZProc

extension Row {
    /// Changes that other processes watch.
    static let watching = [
        Row("watch.latency", on: .processes, in: .microseconds, against: CEcho.latencyName, reach: .atMost(1)) {
            turns in
            let echo = try CEcho()
            return try await withContext(.processes) { context in
                try await turns.alternate {
                    try echo.latency(for: $0)
                } ours: {
                    try await latency(context, for: $0)
                }
            }
        },
        throughputRow(watches: 1, reach: .atLeast(0.5)),
        throughputRow(watches: 16, reach: .atLeast(0.25)),
    ]

    private static func throughputRow(watches: Int, reach: Reach) -> Row {
        Row(
            "watch.throughput.\(watches)",
            on: .processes,
            in: .updatesPerSecond,
            against: "updates, no watches",
            reach: reach
        ) { turns in
            // Watches that are slower than the writer for a while lose nothing.
            let options = StateOptions(history: .init(count: 2_000_000))
            return try await withContext(.processes, state: options) { context in
                let alone = context.state(namespace: "alone"), state = context.state(namespace: "watched")
                return try await turns.alternate {
                    try await rate(for: $0) { try await alone.increment("n") }
                } ours: { span in
                    let process = try await context.spawn(watches) { try await watch(state, watches: $0) }
                    _ = try await state.first("watches", equals: watches)
                    let rate = try await rate(for: span) {
                        try await state.increment("n")
                    } finally: {
                        try await state.set("watches", to: 0)
                        try await process.value
                    }
                    return rate
                }
            }
        }
    }
}

/// The time from before a commit in this process to its delivery in another.
private func latency(_ context: Context, for span: Nanoseconds) async throws -> Samples {
    let state = context.state
    let start = try await state.snapshot().revision
    let process = try await context.spawn {
        var samples = Samples()
        let changes = state.changes(of: "sent")
        try await state.set("seen", to: cbr_now())
        for try await change in changes {
            let now = cbr_now(), sent = change.after["sent", default: Nanoseconds.max]
            if sent == .max { break }
            samples.record(Double(now - sent))
            try await state.set("seen", to: sent)
        }
        return samples
    }
    var seen = state.changes(of: "seen", from: .revision(start)).makeAsyncIterator()
    _ = try await seen.next()
    let end = cbr_now() + span
    while cbr_now() < end {
        try await state.set("sent", to: cbr_now())
        _ = try await seen.next()
    }
    try await state.set("sent", to: Nanoseconds.max)
    return try await process.value
}

/// Watches with so many tasks, each of which sees every change, until the writer says that it is done.
private func watch(_ state: SharedState, watches: Int) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<watches {
            let changes = state.changes()
            group.addTask {
                var last: Revision?
                for try await change in changes {
                    if let last, change.revision.number != last.number + 1 { throw BenchError("a change was missed") }
                    last = change.revision
                    if change.keys.first == "watches", change.after["watches", default: -1] == 0 { break }
                }
            }
        }
        try await state.set("watches", to: watches)
        try await group.waitForAll()
    }
}

/// Updates a second, counting the time until `finally` has returned.
private func rate(
    for span: Nanoseconds,
    _ update: () async throws -> Void,
    finally: () async throws -> Void = {}
) async throws -> Samples {
    let start = cbr_now(), end = start + span
    var count = 0
    while cbr_now() < end {
        for _ in 0..<64 { try await update() }
        count += 64
    }
    try await finally()
    var samples = Samples()
    samples.record(Double(count) * 1e9 / Double(cbr_now() - start))
    return samples
}
