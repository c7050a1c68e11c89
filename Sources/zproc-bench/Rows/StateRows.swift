// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

extension Row {
    /// Single keys of a shared state.
    static let state =
        Backend.allCases.flatMap { backend in
            [
                stateRow("state.get", on: backend) { state, calls in
                    for _ in 0..<calls { _ = try await state.get(key, as: Int.self) }
                },
                stateRow("state.set", on: backend) { state, calls in
                    for number in 0..<calls { try await state.set(key, to: number) }
                },
                stateRow("state.update", on: backend) { state, calls in try await increment(state, calls) },
            ]
        } + [
            Row(
                "state.update.large",
                on: .threads,
                in: .nanoseconds,
                against: "the same, 100 keys",
                reach: .atMost(2)
            ) { turns in
                try await withContext(.threads) { context in
                    let small = try await context.filledState("small", keys: 100)
                    let large = try await context.filledState("large", keys: 100_000)
                    return try await turns.alternate {
                        try await sample(small, backend: .threads, for: $0) { try await increment($0, $1) }
                    } ours: {
                        try await sample(large, backend: .threads, for: $0) { try await increment($0, $1) }
                    }
                }
            }
        ]
}

/// Does something to one key of a state, as many times as it is told.
private typealias StateOperation = @Sendable (SharedState, Int) async throws -> Void

/// The key that is used, one among many.
private let key = "key 42"

/// The row of one operation.
///
/// On processes it is measured in a spawned one: in the root the state would be at hand.
private func stateRow(_ name: String, on backend: Backend, _ operation: @escaping StateOperation) -> Row {
    switch backend {
    case .threads:
        Row(name, on: backend, in: .nanoseconds, against: PlainCounter.latencyName, reach: .atMost(10)) { turns in
            let plain = PlainCounter()
            return try await withContext(backend) { context in
                let state = try await context.filledState("thousand", keys: 1000)
                return try await turns.alternate {
                    await plain.latency(for: $0)
                } ours: {
                    try await sample(state, backend: backend, for: $0, operation)
                }
            }
        }
    case .processes:
        Row(name, on: backend, in: .microseconds, against: CEcho.latencyName, reach: .atMost(1.5)) { turns in
            let echo = try CEcho()
            return try await withContext(backend) { context in
                let state = try await context.filledState("thousand", keys: 1000)
                return try await turns.alternate {
                    try echo.latency(for: $0)
                } ours: { span in
                    let process = try await context.spawn(span) { span in
                        _ = try await sample(state, backend: .processes, for: span / 8, operation)
                        return try await sample(state, backend: .processes, for: span, operation)
                    }
                    return try await process.value
                }
            }
        }
    }
}

private func sample(
    _ state: SharedState,
    backend: Backend,
    for span: Nanoseconds,
    _ operation: StateOperation
) async throws -> Samples {
    try await zproc_bench.sample(for: span, batch: backend == .threads ? PlainCounter.batch : 1) { calls in
        try await operation(state, calls)
    }
}

private func increment(_ state: SharedState, _ calls: Int) async throws {
    for _ in 0..<calls {
        try await state.update { draft in draft[key, default: 0] += 1 }
    }
}

extension Context {
    /// A state of its own with `keys` integers.
    fileprivate func filledState(_ namespace: String, keys: Int) async throws -> SharedState {
        let state = state(namespace: namespace)
        try await state.merge(Dictionary(uniqueKeysWithValues: (0..<keys).map { ("key \($0)", $0) }))
        return state
    }
}
