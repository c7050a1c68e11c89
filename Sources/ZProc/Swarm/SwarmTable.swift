// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The swarms of this process, for their workers to find.
final class SwarmTable: Sendable {
    private struct State {
        var engines: [UInt64: SwarmEngine] = [:]
        var last: UInt64 = 0
    }
    private let state = Mutex(State())

    func makeNumber() -> UInt64 {
        state.withLock { state in
            state.last += 1
            return state.last
        }
    }

    func wasMade(_ number: UInt64) -> Bool { state.withLock { number <= $0.last } }
    func add(_ engine: SwarmEngine) { state.withLock { $0.engines[engine.number] = engine } }
    func remove(_ engine: SwarmEngine) { state.withLock { $0.engines[engine.number] = nil } }

    /// How many workers there are, and chunks that wait for one.
    var counts: (workers: Int, waiting: Int) {
        state.withLock { Array($0.engines.values) }.reduce((0, 0)) { sum, engine in
            let counts = engine.counts
            return (sum.0 + counts.workers, sum.1 + counts.waiting)
        }
    }

    func engine(_ number: UInt64) -> SwarmEngine? { state.withLock { $0.engines[number] } }
}
