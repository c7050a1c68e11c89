// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Single tasks.
extension Swarm {
    /// Runs `body` on a worker and gives its value.
    ///
    ///     let sum = try await swarm.run(3, 4) { $0 + $1 }
    ///
    /// Cancelling the task cancels the body.
    ///
    /// - Parameters:
    ///   - argument: passed to `body`.
    ///   - options: times, retries, priority.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to run; travels as a spawned body does.
    /// - Returns: what `body` returned.
    /// - Throws: as `map`.
    public func run<Output: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Output
    ) async throws -> Output {
        let run = try task(repeat each argument, options: options, fileID: fileID, line: line, body: body)
        return try await run.only()
    }

    /// The same for a body that returns nothing.
    public func run<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) async throws {
        let run = try voidTask(repeat each argument, options: options, fileID: fileID, line: line, body: body)
        try await run.only()
    }

    func task<Output: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        options: MapOptions,
        fileID: String,
        line: Int,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Output
    ) throws -> MapRun<Output> {
        let row = SingleSource(ArgumentList(repeat each argument))
        let work = zipWork(fileID, line, body)
        return values(
            try start(work, on: row, count: 1, options: options, collectsFailures: false, isSingle: true),
            total: 1,
            options: options
        )
    }

    private func voidTask<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        options: MapOptions,
        fileID: String,
        line: Int,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) throws -> MapRun<Void> {
        let row = SingleSource(ArgumentList(repeat each argument))
        let work = zipEachWork(fileID, line, body)
        return values(
            try start(work, on: row, count: 1, options: options, collectsFailures: false, isSingle: true),
            total: 1,
            options: options
        )
    }
}

extension MapRun {
    /// The one result.
    func only() async throws -> Element {
        guard let value = try await next()?.first else {
            throw CallError(.badResult, "the task ended without a result")
        }
        return value
    }
}
