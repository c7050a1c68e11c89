// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Linearizability

/// Makes histories by running operations on one dictionary, each at a random moment between its call and its return.
struct RandomHistory {
    var processes: Int
    var keys: [String]
    /// Values written and added are less than this.
    var values: Int
    /// How likely an operation is the last of its process, cut off before or after it took effect.
    var deaths = 0.0

    /// A history of at most `count` operations.
    ///
    /// When a process dies, another with a number of its own goes on.
    func make(_ count: Int, using random: inout SplitMix64) -> [Recorded] {
        struct Planned {
            var record: Recorded
            var moment: UInt64?
        }
        var planned: [Planned] = []
        var free = (0..<processes).map { (process: $0, time: UInt64.random(in: 0..<20, using: &random)) }
        var nextProcess = processes
        for _ in 0..<count {
            let slot = free.indices.min { free[$0].time < free[$1].time } ?? 0
            let call = free[slot].time + .random(in: 1...20, using: &random)
            let end = call + .random(in: 0...100, using: &random)
            let dies = Double.random(in: 0..<1, using: &random) < deaths
            planned.append(
                Planned(
                    record: Recorded(
                        process: free[slot].process,
                        call: call,
                        return: dies ? nil : end,
                        operation: operation(using: &random),
                        output: nil
                    ),
                    moment: dies && .random(using: &random) ? nil : .random(in: call...end, using: &random)
                )
            )
            if dies {
                free[slot].process = nextProcess
                nextProcess += 1
            }
            free[slot].time = end
        }
        var dictionary: [String: Int] = [:]
        let order = planned.indices.sorted { (planned[$0].moment ?? .max, $0) < (planned[$1].moment ?? .max, $1) }
        for index in order where planned[index].moment != nil {
            let output = perform(planned[index].record.operation, on: &dictionary)
            if planned[index].record.return != nil { planned[index].record.output = output }
        }
        return planned.map(\.record).shuffled(using: &random)
    }

    /// The history with the answer of one operation, if there is any, changed to another one of its kind.
    func mutated(_ history: [Recorded], using random: inout SplitMix64) -> [Recorded] {
        var history = history
        let candidates = history.indices.filter { index in
            history[index].output.map { $0 != .done } ?? false
        }
        guard let index = candidates.randomElement(using: &random), let output = history[index].output else {
            return history
        }
        switch output {
        case .bool(let bool): history[index].output = .bool(!bool)
        case .value(let value):
            var other = value
            while other == value { other = Int.random(in: -1..<values, using: &random) }
            history[index].output = .value(other == -1 && value != nil ? nil : other)
        case .done: break
        }
        return history
    }

    func operation(using random: inout SplitMix64) -> RegisterMap.Operation {
        let key = keys.randomElement(using: &random) ?? "x"
        let value = Int.random(in: 0..<values, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<4: return .get(key: key)
        case 4..<6: return .set(key: key, value)
        case 6: return .increment(key: key, by: value)
        case 7..<9:
            let expected = Int.random(in: -1..<values, using: &random)
            return .compareAndSet(key: key, expected: expected < 0 ? nil : expected, value)
        default: return .remove(key: key)
        }
    }

    /// Some answer that `operation` could have given.
    func answer(to operation: RegisterMap.Operation, using random: inout SplitMix64) -> RegisterMap.Output {
        switch operation {
        case .set: return .done
        case .compareAndSet: return .bool(.random(using: &random))
        case .get, .remove:
            let value = Int.random(in: -1..<values, using: &random)
            return .value(value < 0 ? nil : value)
        case .increment: return .value(.random(in: 0..<values, using: &random))
        }
    }
}
