// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Processes that were spawned together, in order.
public struct ProcessList<Value: Sendable>: RandomAccessCollection, Sendable {
    private let processes: [SpawnedProcess<Value>]

    /// A list of processes that were spawned one by one.
    public init(_ processes: some Sequence<SpawnedProcess<Value>>) { self.processes = Array(processes) }

    /// The position of the first, 0.
    public var startIndex: Int { processes.startIndex }
    /// The position after the last.
    public var endIndex: Int { processes.endIndex }
    /// One of them.
    public subscript(position: Int) -> SpawnedProcess<Value> { processes[position] }

    /// What all the bodies returned, in order.
    ///
    /// Cancelling the task that waits stops them all.
    ///
    /// - Throws: what the first body to fail threw, as soon as it does; then the others are stopped.
    public var values: [Value] {
        get async throws {
            try await withThrowingTaskGroup(of: (Int, Value).self) { group in
                for (index, process) in processes.enumerated() { group.addTask { (index, try await process.value) } }
                // Leaving by an error cancels the other waits, and so stops what they wait for.
                var values = [Value?](repeating: nil, count: count)
                for try await (index, value) in group { values[index] = value }
                return values.compactMap(\.self)
            }
        }
    }

    /// What all the bodies returned or threw, in order; one that fails leaves the others alone.
    ///
    /// Cancelling the task that waits stops them all.
    public var results: [Result<Value, any Error>] {
        get async {
            await withTaskGroup(of: (Int, Result<Value, any Error>).self) { group in
                for (index, process) in processes.enumerated() { group.addTask { (index, await process.result) } }
                var results = [Result<Value, any Error>](repeating: .failure(CancellationError()), count: count)
                for await (index, result) in group { results[index] = result }
                return results
            }
        }
    }

    /// Starts those that have not been started, in order.
    ///
    /// - Throws: ``SpawnError`` when the system cannot start one; the later ones are not started then.
    public func start() async throws { for process in processes { try await process.start() } }

    /// Waits until nothing of any of them runs any more, however they ended.
    ///
    /// Cancelling ends the wait, and nothing else.
    ///
    /// - Parameter timeout: how long to wait for all; nil for ever.
    /// - Throws: `CancellationError`; ``ProcessTimeout``, which names those that still run after `timeout`.
    public func wait(timeout: Duration? = nil) async throws {
        let end = ContinuousClock.now + (timeout ?? .zero).countable
        for process in processes {
            do {
                try await process.wait(timeout: timeout.map { _ in Swift.max(.zero, end - .now) })
            } catch is ProcessTimeout {
                let running = processes.filter { $0.life.ended.result == nil }
                throw ProcessTimeout(
                    timeout: timeout ?? .zero,
                    running: running.map { $0.name ?? $0.pid.map(String.init) ?? "not started" }
                )
            }
        }
    }

    /// Stops them all, at the same time, as ``SpawnedProcess/stop(grace:)`` does.
    public func stop(grace: Duration = .seconds(2)) async {
        await withDiscardingTaskGroup { group in
            for process in processes { group.addTask { await process.stop(grace: grace) } }
        }
    }
}
