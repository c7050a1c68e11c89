// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

extension Context {
    /// Runs the same `body` in several processes.
    ///
    ///     let eaters = try await context.spawn(count: 4) { try await eat() }
    ///     try await eaters.values
    ///
    /// When one cannot be started, those that were are stopped.
    ///
    /// - Parameters:
    ///   - argument: passed to each `body`.
    ///   - count: how many.
    ///   - name: for error messages.
    ///   - options: how the processes run, and for how long at most.
    ///   - retry: which failures are tried again.
    ///   - start: whether to start them now; else ``ProcessList/start()`` does.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what each runs.
    /// - Returns: the processes.
    /// - Throws: as `spawn`.
    @discardableResult
    public func spawn<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        count: Int,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        retry: RetryPolicy = .never,
        start: Bool = true,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Result
    ) async throws -> ProcessList<Result> {
        let body = prepare(repeat each argument, retryArguments: nil, fileID: fileID, line: line, body: body)
        let bodies = Array(repeating: body, count: min(max(0, count), max(0, self.options.maximumProcesses) &+ 1))
        return try await spawnAll(bodies, name, options, retry, start)
    }

    /// Runs `body` in a process of its own for each element, or for the elements of several sequences side by side.
    ///
    ///     let lengths = try await context.spawnMap(names, 1...) { name, number in "\(number) \(name)".count }.values
    ///
    /// All are started at once, in order; there are as many as the shortest sequence has elements. For many small pieces
    /// of work, a process each is too dear.
    ///
    /// - Parameters:
    ///   - source: what to pass to `body`.
    ///   - name: for error messages.
    ///   - options: how the processes run, and for how long at most.
    ///   - retry: which failures are tried again.
    ///   - start: whether to start them now; else ``ProcessList/start()`` does.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what each runs.
    /// - Returns: the processes.
    /// - Throws: as `spawn`.
    @discardableResult
    public func spawnMap<Result: Codable & Sendable, each Source: Sequence>(
        _ source: repeat each Source,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        retry: RetryPolicy = .never,
        start: Bool = true,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat (each Source).Element) async throws -> Result
    ) async throws -> ProcessList<Result> where repeat (each Source).Element: Codable & Sendable {
        var bodies: [PreparedBody<Result>] = []
        for row in zipped(repeat each source, limit: self.options.maximumProcesses) {
            bodies.append(prepare(repeat each row, retryArguments: nil, fileID: fileID, line: line, body: body))
        }
        return try await spawnAll(bodies, name, options, retry, start)
    }

    /// Runs the same `body`, which returns nothing, in several processes; see the other form.
    @discardableResult
    public func spawn<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        count: Int,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        retry: RetryPolicy = .never,
        start: Bool = true,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) async throws -> ProcessList<Void> {
        let body = prepareVoid(repeat each argument, retryArguments: nil, fileID: fileID, line: line, body: body)
        let bodies = Array(repeating: body, count: min(max(0, count), max(0, self.options.maximumProcesses) &+ 1))
        return try await spawnAll(bodies, name, options, retry, start)
    }

    /// Runs a `body` that returns nothing in a process of its own for each element; see the other form.
    @discardableResult
    public func spawnMap<each Source: Sequence>(
        _ source: repeat each Source,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        retry: RetryPolicy = .never,
        start: Bool = true,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat (each Source).Element) async throws -> Void
    ) async throws -> ProcessList<Void> where repeat (each Source).Element: Codable & Sendable {
        var bodies: [PreparedBody<Void>] = []
        for row in zipped(repeat each source, limit: self.options.maximumProcesses) {
            bodies.append(prepareVoid(repeat each row, retryArguments: nil, fileID: fileID, line: line, body: body))
        }
        return try await spawnAll(bodies, name, options, retry, start)
    }

    /// Makes a process of each body, and starts them when all could be made.
    private func spawnAll<Value>(
        _ bodies: [PreparedBody<Value>],
        _ name: String?,
        _ options: ProcessOptions,
        _ retry: RetryPolicy,
        _ start: Bool
    ) async throws -> ProcessList<Value> {
        guard bodies.count <= self.options.maximumProcesses else {
            throw SpawnError(
                "more than \(self.options.maximumProcesses) processes at once, the context's maximumProcesses; spawn fewer"
            )
        }
        var processes: [SpawnedProcess<Value>] = []
        do {
            for body in bodies {
                let spawning = Spawning(name, options, retry, false, siblingCount: bodies.count)
                processes.append(try await spawn(body, spawning))
            }
            let list = ProcessList(processes)
            if start { try await list.start() }
            return list
        } catch {
            await ProcessList(processes).stop()
            throw error
        }
    }
}

/// The elements of several sequences side by side, as far as the shortest goes, and one more than `limit` at most.
private func zipped<each Source: Sequence>(
    _ source: repeat each Source,
    limit: Int
) -> [(repeat (each Source).Element)] {
    let iterators = (repeat ElementIterator(each source))
    var rows: [(repeat (each Source).Element)] = []
    var isEmpty = true
    for _ in repeat each iterators { isEmpty = false }
    while !isEmpty, rows.count <= limit, let row = try? (repeat (each iterators).next()) { rows.append(row) }
    return rows
}
