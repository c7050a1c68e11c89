// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The workers of a broker, in the order of their numbers.
///
/// There are few, and each event looks for one several times: so they lie beside each other, nothing is hashed, and what
/// is asked of one is asked where it lies.
struct WorkerTable: Sendable {
    private var numbers: [UInt64] = []
    private var values: [Broker.Worker] = []

    var count: Int { numbers.count }
    var isEmpty: Bool { numbers.isEmpty }

    /// Something of a worker, which is not copied for it; nil when there is no such worker.
    @inline(__always) func read<Part>(_ id: WorkerID, _ part: (borrowing Broker.Worker) -> Part) -> Part? {
        guard let place = place(of: id) else { return nil }
        return part(values[place])
    }

    /// Changes a worker, if there is one.
    @discardableResult @inline(__always)
    mutating func change<Part>(_ id: WorkerID, _ change: (inout Broker.Worker) -> Part) -> Part? {
        guard let place = place(of: id) else { return nil }
        return change(&values[place])
    }

    /// Adds a worker; false, and nothing happens, when there is one of that number.
    mutating func add(_ id: WorkerID, _ worker: Broker.Worker) -> Bool {
        let place = firstPlace(atLeast: id.number)
        if place < numbers.count, numbers[place] == id.number { return false }
        numbers.insert(id.number, at: place)
        values.insert(worker, at: place)
        return true
    }

    @discardableResult mutating func remove(_ id: WorkerID) -> Broker.Worker? {
        guard let place = place(of: id) else { return nil }
        numbers.remove(at: place)
        return values.remove(at: place)
    }

    /// Those that a condition holds for.
    func ids(where condition: (borrowing Broker.Worker) -> Bool) -> [WorkerID] {
        var found: [WorkerID] = []
        for place in numbers.indices where condition(values[place]) { found.append(WorkerID(numbers[place])) }
        return found
    }

    func count(where condition: (borrowing Broker.Worker) -> Bool) -> Int {
        var count = 0
        for place in values.indices where condition(values[place]) { count += 1 }
        return count
    }

    private func place(of id: WorkerID) -> Int? {
        let place = firstPlace(atLeast: id.number)
        return place < numbers.count && numbers[place] == id.number ? place : nil
    }

    private func firstPlace(atLeast number: UInt64) -> Int {
        var low = 0, high = numbers.count
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
