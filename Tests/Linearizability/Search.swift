// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The search for an order of the operations of one partition.
struct Search<Model: SequentialModel> {
    typealias Recorded = RecordedOperation<Model.Operation, Model.Output>

    enum Outcome {
        case explained, exhausted, gaveUp
    }

    /// An operation as an index into ``returned`` or ``pending``.
    enum Choice {
        case returned(Int)
        case pending(Int)
    }

    /// Where a beginning of an order leads: which operations it has placed, and the state after them.
    struct Configuration {
        var placed = OperationSet()
        var placedPending = OperationSet()
        var state = Model.initial
    }

    /// What ``explored`` is looked up by.
    private struct Place: Hashable {
        var placed: OperationSet
        var state: Model.State
    }

    private struct Frame {
        var configuration: Configuration
        /// What has not been tried here, the next one last.
        var choices: [Choice]
        /// How many returned operations are placed.
        var depth: Int
    }

    /// The operations that returned, in order of their calls, which must all be placed.
    let returned: [Recorded]

    /// The operations without a return, in order of their calls.
    let pending: [Recorded]

    /// For each pending operation, the last one before it that asks the same.
    private let twins: [Int?]

    /// For each place, the smallest sets of pending operations it was reached with.
    ///
    /// An empty list stands for the empty set, which needs no room then.
    private var explored: [Place: [OperationSet]] = [:]

    private(set) var steps = 0

    /// The first of the orders that placed most of the returned operations, and where it leads.
    private(set) var longest: (path: [Choice], depth: Int, end: Configuration) = ([], 0, Configuration())

    init(_ operations: [Recorded]) {
        let sorted = operations.sorted { $0.call < $1.call }
        returned = sorted.filter { $0.return != nil }
        pending = sorted.filter { $0.return == nil }
        var latest: [AnyHashable: Int] = [:]
        twins = pending.enumerated().map { index, recorded in
            guard let operation = recorded.operation as? AnyHashable else { return nil }
            return latest.updateValue(index, forKey: operation)
        }
    }

    /// Looks for an order, depth first.
    ///
    /// To be called once.
    mutating func run(maximumSteps: Int) -> Outcome {
        // A record that returns before its call leaves no time at which the operation can take effect.
        if impossible != nil { return .exhausted }
        var path: [Choice] = []
        var stack = [Frame(configuration: Configuration(), choices: choices(at: Configuration()), depth: 0)]
        while let depth = stack.last?.depth {
            if depth == returned.count { return .explained }
            guard let choice = stack[stack.count - 1].choices.popLast() else {
                stack.removeLast()
                _ = path.popLast()
                continue
            }
            guard steps < maximumSteps else { return .gaveUp }
            steps += 1
            guard let next = configuration(after: choice, at: stack[stack.count - 1].configuration),
                isNew(next)
            else { continue }
            path.append(choice)
            var nextDepth = depth
            if case .returned = choice { nextDepth += 1 }
            if nextDepth > longest.depth { longest = (path, nextDepth, next) }
            stack.append(Frame(configuration: next, choices: choices(at: next), depth: nextDepth))
        }
        return .exhausted
    }

    /// A record that returned before it was called, if there is one.
    var impossible: Recorded? {
        returned.first { recorded in recorded.return.map { $0 < recorded.call } ?? false }
    }

    /// The operations that real time allows to come next, the most promising last.
    ///
    /// An operation may come next unless one that is not placed had returned before its call. Operations that return
    /// early are tried early, since others wait for them, and pending ones last, since they need not happen at all.
    func choices(at configuration: Configuration) -> [Choice] {
        var earliestReturn = UInt64.max
        var open: [(index: Int, end: UInt64)] = []
        for index in configuration.placed.firstMissing..<max(returned.count, configuration.placed.firstMissing) {
            if returned[index].call > earliestReturn { break }
            guard !configuration.placed.contains(index), let end = returned[index].return else { continue }
            earliestReturn = min(earliestReturn, end)
            open.append((index, end))
        }
        open.sort { ($0.end, $0.index) > ($1.end, $1.index) }
        var choices: [Choice] = []
        for (index, recorded) in pending.enumerated() {
            if recorded.call > earliestReturn { break }
            if configuration.placedPending.contains(index) { continue }
            // Whatever a later twin can explain, the earlier one can.
            if let twin = twins[index], !configuration.placedPending.contains(twin) { continue }
            choices.append(.pending(index))
        }
        return choices.reversed() + open.map { .returned($0.index) }
    }

    private func configuration(after choice: Choice, at configuration: Configuration) -> Configuration? {
        var next = configuration
        switch choice {
        case .returned(let index):
            let recorded = returned[index]
            guard let state = Model.step(configuration.state, recorded.operation, recorded.output) else { return nil }
            next.state = state
            next.placed.insert(index)
        case .pending(let index):
            // A pending operation that changes nothing need not happen.
            guard let state = Model.step(configuration.state, pending[index].operation, nil),
                state != configuration.state
            else { return nil }
            next.state = state
            next.placedPending.insert(index)
        }
        return next
    }

    /// Whether nothing explored so far makes it needless to go on from `configuration`, which counts as explored then.
    ///
    /// The same place reached with fewer pending operations is at least as good: the others can still follow.
    private mutating func isNew(_ configuration: Configuration) -> Bool {
        let place = Place(placed: configuration.placed, state: configuration.state)
        let set = configuration.placedPending
        if let known = explored[place], known.isEmpty || known.contains(where: { $0.isSubset(of: set) }) {
            return false
        }
        if set.isEmpty {
            explored[place] = []
        } else {
            explored[place, default: []].removeAll { set.isSubset(of: $0) }
            explored[place, default: []].append(set)
        }
        return true
    }
}
