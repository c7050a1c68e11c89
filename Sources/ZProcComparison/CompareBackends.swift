// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import ZProc

/// Runs the same closure on several backends in turns, checks that the results are equal, and says what each cost.
///
///     let comparison = try await compareBackends { context in
///         try await context.swarm().map(files) { try count($0) }.reduce(0, +)
///     }
///     print(comparison)
///
/// Each backend has a context of its own for every run. The first run of each warms up: there the memory is measured,
/// and nothing else. Then come `rounds` in which each has its turn, so that whatever else the machine does happens to
/// all. A backend that fails, or whose result differs from the first one's, does not run again; its figures say why.
///
/// - Parameters:
///   - backends: what to compare, each once.
///   - rounds: how often each is timed; at least 1.
///   - operations: how many of something `body` does, for the throughput; nil for none.
///   - options: how the contexts treat what they spawn.
///   - loop: the same work without ZProc, which is timed too, and to whose result the others are compared.
///   - body: what to run; its time counts, that of making and ending the context does not.
/// - Returns: the figures of each, in the order of `backends`, after those of `loop`.
/// - Throws: `CancellationError`, and nothing else.
public func compareBackends<Result: Equatable>(
    _ backends: [ComparedBackend] = ComparedBackend.allCases,
    rounds: Int = 5,
    operations: Int? = nil,
    options: ContextOptions = ContextOptions(),
    loop: (() async throws -> Result)? = nil,
    _ body: (Context) async throws -> Result
) async throws -> BackendComparison {
    let contestants = (loop == nil ? [] : [Contestant.loop]) + backends.map(Contestant.backend)
    return try await compare(contestants, rounds: rounds, operations: operations) { contestant in
        if case .backend(let backend) = contestant { return try await backend.run(options: options, body) }
        guard let loop else { throw CancellationError() }
        return try await timed(loop)
    }
}

/// The same for a closure that returns nothing: there is no result to compare.
public func compareBackends(
    _ backends: [ComparedBackend] = ComparedBackend.allCases,
    rounds: Int = 5,
    operations: Int? = nil,
    options: ContextOptions = ContextOptions(),
    _ body: (Context) async throws -> Void
) async throws -> BackendComparison {
    try await compareBackends(backends, rounds: rounds, operations: operations, options: options, loop: nil) {
        context in
        try await body(context)
        return true
    }
}
