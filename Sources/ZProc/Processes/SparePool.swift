// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Processes that have been started and wait for a body.
final class SparePool: Sendable {
    private struct State {
        var idle: [ChildProcess] = []
        /// How many are being started.
        var starting = 0
    }
    /// How many there are to be.
    let count: Int
    private let state = Mutex(State())

    init(count: Int) { self.count = max(0, count) }

    /// How many wait for a body and are ready to run it.
    var readyCount: Int { state.withLock { $0.idle.count { $0.isReady } } }

    /// One of them, the longest started; nil when there is none.
    func take() -> ChildProcess? {
        if count == 0 { return nil }
        return state.withLock { $0.idle.isEmpty ? nil : $0.idle.removeFirst() }
    }

    /// Has `start` called as often as spare processes are lacking.
    func refill(_ start: @escaping @Sendable () async throws -> ChildProcess) {
        let lacking = state.withLock { state in
            let lacking = max(0, count - state.idle.count - state.starting)
            state.starting += lacking
            return lacking
        }
        for _ in 0..<lacking {
            Task {
                // Without a spare, the next body waits for a start of its own, and hears what keeps it from starting.
                let child = try? await start()
                state.withLock { state in
                    state.starting -= 1
                    if let child { state.idle.append(child) }
                }
                child?.exit.whenSettled { [self] _ in forget(child) }
            }
        }
    }

    private func forget(_ child: ChildProcess?) { state.withLock { $0.idle.removeAll { $0 === child } } }
}
