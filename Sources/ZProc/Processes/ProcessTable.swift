// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Everything a context has started and that still runs.
final class ProcessTable: Sendable {
    private struct State {
        var children: [UInt64: ChildProcess] = [:]
        var bodies: [ObjectIdentifier: any Stoppable] = [:]
        var lastToken: UInt64 = 0
        var isClosed = false
    }
    private let state = Mutex(State())

    /// Enters a child that is about to be started; nil when the context has ended.
    func makeChild(name: String?, job: [UInt8]) -> ChildProcess? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            state.lastToken += 1
            let child = ChildProcess(token: state.lastToken, name: name, job: job)
            state.children[child.token] = child
            return child
        }
    }

    func child(_ token: UInt64) -> ChildProcess? { state.withLock { $0.children[token] } }
    func remove(_ child: ChildProcess) { state.withLock { _ = $0.children.removeValue(forKey: child.token) } }

    /// Enters a body that runs in this process; false when the context has ended.
    func insert(_ body: any Stoppable) -> Bool {
        state.withLock { state in
            if !state.isClosed { state.bodies[ObjectIdentifier(body)] = body }
            return !state.isClosed
        }
    }

    func remove(_ body: any Stoppable) { state.withLock { _ = $0.bodies.removeValue(forKey: ObjectIdentifier(body)) } }

    /// Stops everything, all at once, and lets nothing more be started.
    func stopAll(grace: Duration) async {
        let running = state.withLock { state -> [any Stoppable] in
            state.isClosed = true
            return Array(state.children.values) + Array(state.bodies.values)
        }
        await withDiscardingTaskGroup { group in
            for process in running { group.addTask { await process.stop(grace: grace) } }
        }
    }
}
