// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Tasks and maps whose results are kept.
extension Swarm {
    /// Has a worker run `body`, and returns at once; the result is found by its id until it is taken.
    ///
    /// The task runs on when whoever submitted it loses interest, and for as long as the swarm lives.
    ///
    /// - Parameters:
    ///   - argument: passed to `body`.
    ///   - options: times, retries, priority, label.
    ///   - keep: how long the result is kept once it is there; nil until it is taken or released.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to run; travels as a spawned body does.
    /// - Returns: the result to come.
    /// - Throws: `PortableClosureError` for a closure that cannot travel; ``SwarmError`` when the swarm has ended;
    ///   ``StateError``.
    public func submit<Output: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        options: MapOptions = MapOptions(),
        keep: Duration? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Output
    ) async throws -> TaskResult<Output> {
        let task = try task(repeat each argument, options: options, fileID: fileID, line: line, body: body)
        return try await keepResult(keep, options.label, cancel: task.cancel, task.value)
    }

    /// Begins a map, and returns at once; its results are found by its id, all together, until they are taken.
    ///
    /// - Parameters:
    ///   - elements: what to work on; read on another thread.
    ///   - options: order, times, retries, label and more.
    ///   - keep: how long the results are kept once they are there; nil until they are taken or released.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - transform: what to do with an element; travels as a spawned body does.
    /// - Returns: the results to come.
    /// - Throws: as `submit`.
    public func submitMap<Source: Sequence, Output: Codable & Sendable>(
        _ elements: sending Source,
        options: MapOptions = MapOptions(),
        keep: Duration? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @concurrent @Sendable (Source.Element) async throws -> Output
    ) async throws -> TaskResult<[Output]> where Source.Element: Codable & Sendable {
        let run = try mapLazy(elements, options: options, fileID: fileID, line: line, transform: transform).run
        return try await keepResult(keep, options.label, cancel: run.cancel, run.all)
    }

    private func keepResult<Output: Codable & Sendable>(
        _ keep: Duration?,
        _ label: String?,
        cancel: @Sendable () -> Void,
        _ value: @escaping @Sendable () async throws -> Output
    ) async throws -> TaskResult<Output> {
        let results = context.taskResultState
        let id =
            String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
        let running = TaskRecord<Output>(TaskInfo(owner: .own, label: label))
        do {
            try await results.set(id, to: running)
        } catch {
            cancel()
            throw error
        }
        // It waits on its own account, also when a worker submits it.
        WorkerStorage.$current.withValue(nil) {
            _ = Task {
                await running.finish(await Self.end(of: value), keep, as: id, in: results)
            }
        }
        return TaskResult(id: id, in: results)
    }

    private static func end<Output>(of value: () async throws -> Output) async -> Result<Output, any Error> {
        do { return .success(try await value()) } catch { return .failure(error) }
    }
}
