// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import ZProc

/// Somebody who does the same work as the others.
package enum Contestant {
    /// The work without ZProc.
    case loop
    case backend(ComparedBackend)
    /// Another program; with the process that works, together with its descendants.
    case peer(name: String, processID: Int)

    var name: String {
        switch self {
        case .loop: "one loop"
        case .backend(let backend): backend.description
        case .peer(let name, _): name
        }
    }

    var processID: Int {
        if case .peer(_, let processID) = self { processID } else { Int(getpid()) }
    }
}

/// One run of a contestant.
package struct Run<Result: Equatable> {
    /// Whose processor time a run took.
    package enum ProcessorTime: Sendable {
        /// This process's own, and that of its children that have ended.
        case own
        /// Somebody else's; nil when nobody knows.
        case seconds(Double?)
    }

    package var result: Result
    package var seconds: Double
    package var processorTime: ProcessorTime

    package init(result: Result, seconds: Double, processorTime: ProcessorTime = .own) {
        self.result = result
        self.seconds = seconds
        self.processorTime = processorTime
    }
}

extension Run: Sendable where Result: Sendable {}

extension ComparedBackend {
    /// Runs `body` once with a context of its own, and times it.
    package func run<Result: Equatable>(
        options: ContextOptions = ContextOptions(),
        _ body: (Context) async throws -> Result
    ) async throws -> Run<Result> {
        var options = options
        options.transport = transport
        return try await withContext(backend, state: StateOptions(access: access), options: options) { context in
            try await timed { try await body(context) }
        }
    }
}

/// Times `body`.
package func timed<Result: Equatable>(_ body: () async throws -> Result) async throws -> Run<Result> {
    let start = ContinuousClock.now
    let result = try await body()
    return Run(result: result, seconds: (.now - start) / .seconds(1))
}

/// Has the contestants work in turns.
///
/// - Parameters:
///   - contestants: who, in order.
///   - rounds: how often each is timed.
///   - operations: how many of something a run does.
///   - others: processes that run beside these, and whose memory is not theirs.
///   - run: has one do the work once.
/// - Returns: The figures of each, in order.
/// - Throws: `CancellationError`; what a contestant throws stands in its figures.
package func compare<Result: Equatable>(
    _ contestants: [Contestant],
    rounds: Int,
    operations: Int?,
    without others: Set<Int> = [],
    run: (Contestant) async throws -> Run<Result>
) async throws -> BackendComparison {
    var figures = contestants.map { BackendFigures(name: $0.name) }
    let others = others.union(contestants.map(\.processID)).subtracting([Int(getpid())])
    var expected: (result: Result, name: String)?
    for round in 0...max(1, rounds) {
        for index in contestants.indices where figures[index].failure == nil {
            try Task.checkCancellation()
            let contestant = contestants[index]
            let memory =
                round == 0
                ? PeakMemory(of: contestant.processID, without: others.subtracting([contestant.processID])) : nil
            let before = processorSeconds()
            do {
                let run = try await run(contestant)
                if let expected, run.result != expected.result {
                    figures[index].failure =
                        "the result is \(excerpt(run.result)), and \(excerpt(expected.result)) of \(expected.name)"
                } else if expected == nil {
                    expected = (run.result, contestant.name)
                }
                if round > 0 {
                    figures[index].seconds.append(run.seconds)
                    switch run.processorTime {
                    case .own: figures[index].processorSeconds.append(processorSeconds() - before)
                    case .seconds(let seconds): if let seconds { figures[index].processorSeconds.append(seconds) }
                    }
                }
            } catch {
                try Task.checkCancellation()
                figures[index].failure = "\(error)"
            }
            if let memory { figures[index].peakMemory = memory.stop() }
        }
    }
    return BackendComparison(figures: figures, operations: operations)
}

private func excerpt(_ value: some Any) -> String {
    let text = "\(value)"
    return text.count > 60 ? "\(text.prefix(60))…" : text
}
