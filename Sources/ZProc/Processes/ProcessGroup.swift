// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

extension Context {
    /// Runs `body` with a group that spawns processes and gives their values as they come.
    ///
    ///     let sum = try await context.withProcessGroup(of: Int.self) { group in
    ///         for number in 1...4 { try await group.spawn(number) { $0 * $0 } }
    ///         return try await group.reduce(0, +)
    ///     }
    ///
    /// Reads as `withThrowingTaskGroup` does: nothing outlives the scope. When `body` throws, also an error that
    /// `next()` gave it, the rest is stopped. When it returns, the rest is awaited, and the first to fail of those stops
    /// the others.
    ///
    /// - Parameters:
    ///   - type: what the bodies return.
    ///   - body: what to do with the group.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws, or a process that it did not wait for.
    public func withProcessGroup<Value: Sendable, Result>(
        of type: Value.Type,
        _ body: (inout ProcessGroup<Value>) async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Value.self) { tasks in
            var group = ProcessGroup(context: self, tasks: tasks)
            do {
                let result = try await body(&group)
                // A failure that nobody has seen is one of the scope.
                while try await group.next() != nil {}
                await group.lives.ended()
                return result
            } catch {
                group.cancelAll()
                // Their values are known a little before the processes are gone.
                await group.lives.ended()
                throw error
            }
        }
    }
}

/// Processes whose values come as they end; see ``Context/withProcessGroup(of:_:)``.
///
/// Valid only within the closure that it was given to.
public struct ProcessGroup<Value: Sendable>: AsyncSequence, AsyncIteratorProtocol {
    private let context: Context
    private var tasks: ThrowingTaskGroup<Value, any Error>
    fileprivate let lives = Lives()

    init(context: Context, tasks: ThrowingTaskGroup<Value, any Error>) {
        self.context = context
        self.tasks = tasks
    }

    /// Spawns a process of the group; as ``Context/spawn(_:name:options:retry:retryArguments:start:fileID:line:body:)``.
    @discardableResult
    public mutating func spawn<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        retry: RetryPolicy = .never,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Value
    ) async throws -> SpawnedProcess<Value> where Value: Codable {
        let prepared = context.prepare(
            repeat each argument,
            retryArguments: nil,
            fileID: fileID,
            line: line,
            body: body
        )
        let process = try await context.spawn(prepared, Spawning(name, options, retry, true))
        lives.add(process.life.ended)
        tasks.addTask { try await process.value }
        return process
    }

    /// Spawns a process of a group whose bodies return nothing; see the other form.
    @discardableResult
    public mutating func spawn<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        retry: RetryPolicy = .never,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) async throws -> SpawnedProcess<Void> where Value == Void {
        let prepared = context.prepareVoid(
            repeat each argument,
            retryArguments: nil,
            fileID: fileID,
            line: line,
            body: body
        )
        let process = try await context.spawn(prepared, Spawning(name, options, retry, true))
        lives.add(process.life.ended)
        tasks.addTask { try await process.value }
        return process
    }

    /// The value of the next process to end; nil when all have ended.
    ///
    /// - Throws: what that process threw. The others go on until the group's scope is left.
    public mutating func next() async throws -> Value? { try await tasks.next() }

    /// Combines the values of all that have not been given yet, in the order in which their processes end.
    ///
    /// For closures that wait for nothing; where one has to, go through the group with `for try await`.
    ///
    /// - Parameters:
    ///   - initialResult: what comes before the first value.
    ///   - nextPartialResult: gives the next result for the one before and a value.
    /// - Returns: the last result.
    /// - Throws: what a process threw, as ``next()``; what `nextPartialResult` throws.
    public mutating func reduce<Result>(
        _ initialResult: Result,
        _ nextPartialResult: (_ partialResult: Result, Value) throws -> Result
    ) async throws -> Result {
        var result = initialResult
        while let value = try await next() { result = try nextPartialResult(result, value) }
        return result
    }

    /// The same, changing a result in place.
    ///
    /// - Parameters:
    ///   - initialResult: what comes before the first value.
    ///   - updateAccumulatingResult: changes the result for a value.
    /// - Returns: the last result.
    /// - Throws: what a process threw, as ``next()``; what `updateAccumulatingResult` throws.
    public mutating func reduce<Result>(
        into initialResult: Result,
        _ updateAccumulatingResult: (_ partialResult: inout Result, Value) throws -> Void
    ) async throws -> Result {
        var result = initialResult
        while let value = try await next() { try updateAccumulatingResult(&result, value) }
        return result
    }

    /// Waits for all that have not ended yet.
    ///
    /// - Throws: the error of the first to fail, when all have ended.
    public mutating func waitForAll() async throws { try await tasks.waitForAll() }

    /// Stops all that have not ended yet.
    public func cancelAll() { tasks.cancelAll() }

    /// Whether all have ended and been given.
    public var isEmpty: Bool { tasks.isEmpty }
    /// Whether the group was cancelled, by itself or with its task.
    public var isCancelled: Bool { tasks.isCancelled }

    /// The group itself.
    public func makeAsyncIterator() -> ProcessGroup<Value> { self }
}

/// The processes of a group that still run.
private final class Lives: Sendable {
    private struct State {
        var count = 0
        var end: Promise<Void>?
    }
    private let state = Mutex(State())

    func add(_ life: Promise<Void>) {
        state.withLock { $0.count += 1 }
        life.whenSettled { [self] _ in
            let end = state.withLock { state in
                state.count -= 1
                return state.count == 0 ? state.end : nil
            }
            end?.settle()
        }
    }

    /// Waits until all have ended; nothing is added any more.
    func ended() async {
        let end = state.withLock { state -> Promise<Void>? in
            if state.count == 0 { return nil }
            if state.end == nil { state.end = Promise() }
            return state.end
        }
        _ = await end?.settled()
    }
}
