// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import Synchronization
import ZProc

extension Row {
    private static let plainStart = "posix_spawn + wait"

    /// The whole life of a process.
    static let spawning = [
        Row("spawn.roundtrip", on: .processes, in: .microseconds, against: plainStart, reach: .atMost(1.5)) { turns in
            try await withContext(.processes) { context in
                try await turns.alternate {
                    try await sample(for: $0) { _ in try startAndWait() }
                } ours: {
                    try await sample(for: $0) { _ in try await spawnOne(context) }
                }
            }
        },
        Row("spawn.warm", on: .processes, in: .microseconds, against: plainStart, reach: .atMost(0.25)) { turns in
            var options = ContextOptions()
            options.spareProcesses = 1
            return try await withContext(.processes, options: options) { context in
                try await turns.alternate {
                    try await sample(for: $0) { _ in try startAndWait() }
                } ours: { span in
                    var samples = Samples()
                    let end = cbr_now() + span
                    repeat {
                        // Starting the spare is not measured: that happens while nobody waits.
                        while context.readySpareCount == 0 { try await Task.sleep(for: .milliseconds(1)) }
                        let before = cbr_now()
                        try await spawnOne(context)
                        samples.record(Double(cbr_now() - before))
                    } while cbr_now() < end
                    return samples
                }
            }
        },
        Row("spawn.many", on: .processes, in: .microseconds, against: plainStart + ", 8 at a time", reach: .atMost(1.5))
        {
            turns in
            try await withContext(.processes) { context in
                try await turns.alternate { _ in
                    let before = cbr_now()
                    var running: [pid_t] = []
                    for _ in 0..<many {
                        if running.count == together { try wait(for: running.removeFirst()) }
                        running.append(cbr_start(ChildRole.variable, ChildRole.exit.text, nil))
                    }
                    for process in running { try wait(for: process) }
                    return Samples(timeOfEach: before, of: many)
                } ours: { _ in
                    let before = cbr_now()
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for number in 0..<many {
                            if number >= together { try await group.next() }
                            group.addTask { try await spawnOne(context) }
                        }
                        try await group.waitForAll()
                    }
                    return Samples(timeOfEach: before, of: many)
                }
            }
        },
        Row("cancel.latency", on: .processes, in: .microseconds, against: CEcho.latencyName, reach: .atMost(2)) {
            turns in
            let echo = try CEcho()
            return try await withContext(.processes) { context in
                try await turns.alternate {
                    try echo.latency(for: $0)
                } ours: { span in
                    var samples = Samples()
                    let end = cbr_now() + span
                    repeat { samples.record(try await cancelOne(context)) } while cbr_now() < end
                    return samples
                }
            }
        },
    ]

    /// How many are spawned, and how many of them live at a time, where there are many.
    private static let many = 200, together = 8
}

private func startAndWait() throws { try wait(for: cbr_start(ChildRole.variable, ChildRole.exit.text, nil)) }

private func wait(for process: pid_t) throws {
    guard process > 0, cbr_wait(process) == 0 else { throw BenchError("cannot start this program") }
}

private func spawnOne(_ context: Context) async throws {
    let process = try await context.spawn { 1 }
    guard try await process.value == 1 else { throw BenchError("the body has returned something else") }
}

/// The time from the cancelling of a body to its handler; both look at the same clock.
private func cancelOne(_ context: Context) async throws -> Double {
    let state = context.state
    try await state.set("ready", to: false)
    let process = try await context.spawn { () -> Nanoseconds in
        let handled = Mutex<Nanoseconds>(0)
        try await state.set("ready", to: true)
        try? await withTaskCancellationHandler {
            try await Task.sleep(for: .seconds(100))
        } onCancel: {
            handled.withLock { $0 = cbr_now() }
        }
        return handled.withLock { $0 }
    }
    try await state.first { $0["ready", default: false] }
    // It sleeps by then, as far as one can tell from outside.
    try await Task.sleep(for: .milliseconds(2))
    let before = cbr_now()
    await process.stop()
    return Double(try await process.value) - Double(before)
}

extension Samples {
    /// One sample: what each of `count` took since `start`.
    fileprivate init(timeOfEach start: Nanoseconds, of count: Int) {
        self.init()
        record(Double(cbr_now() - start) / Double(count))
    }
}
