// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The machines that have joined a swarm, each with its workers, and when it was last heard of.
package struct MachineTable {
    private struct Machine {
        var lastHeard: Duration
        /// By the number of the worker's process on that machine.
        var workers: [Int: WorkerID] = [:]
    }
    private var machines: [UInt64: Machine] = [:]
    /// How long a machine may be silent.
    private let limit: Duration

    package init(limit: Duration) { self.limit = limit }

    package var isEmpty: Bool { machines.isEmpty }

    package func contains(_ machine: UInt64) -> Bool { machines[machine] != nil }

    package mutating func heard(_ machine: UInt64, now: Duration) {
        machines[machine, default: Machine(lastHeard: now)].lastHeard = now
    }

    /// A process of a machine is a worker from now on.
    ///
    /// - Parameters:
    ///   - worker: which worker it is.
    ///   - processID: the number it has there.
    ///   - machine: where it runs.
    ///   - now: the time.
    /// - Returns: the worker that the process was before and cannot be any more.
    package mutating func joined(_ worker: WorkerID, _ processID: Int, on machine: UInt64, now: Duration) -> WorkerID? {
        heard(machine, now: now)
        return machines[machine]?.workers.updateValue(worker, forKey: processID)
    }

    /// Processes of a machine have ended.
    ///
    /// - Returns: the workers they were.
    package mutating func ended(_ processIDs: [Int], on machine: UInt64) -> [WorkerID] {
        processIDs.compactMap { machines[machine]?.workers.removeValue(forKey: $0) }
    }

    /// A machine has left.
    ///
    /// - Returns: the workers that it had.
    package mutating func left(_ machine: UInt64) -> [WorkerID] {
        (machines.removeValue(forKey: machine)?.workers.values).map { $0.sorted { $0.number < $1.number } } ?? []
    }

    /// Forgets the machines that have been silent for too long.
    ///
    /// - Returns: the workers they had.
    package mutating func expired(now: Duration) -> [WorkerID] {
        let silent = machines.filter { now - $0.value.lastHeard > limit }.keys.sorted()
        return silent.flatMap { left($0) }
    }
}
