// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Linearizability

/// Tries all orders of all subsets that hold every returned operation, on one dictionary, without partitions.
struct BruteForce {
    var history: [Recorded]

    func isLinearizable() -> Bool {
        let killed = history.indices.filter { history[$0].return == nil }
        let returned = history.indices.filter { history[$0].return != nil }
        return (0..<(1 << killed.count)).contains { subset in
            let chosen = killed.enumerated().filter { subset & (1 << $0.offset) != 0 }.map(\.element)
            return hasOrder(of: returned + chosen, after: [])
        }
    }

    private func hasOrder(of rest: [Int], after order: [Int]) -> Bool {
        if rest.isEmpty { return explains(order) }
        return rest.contains { index in hasOrder(of: rest.filter { $0 != index }, after: order + [index]) }
    }

    private func explains(_ order: [Int]) -> Bool {
        for (position, later) in order.enumerated() {
            for earlier in order[..<position] {
                if let end = history[later].return, end < history[earlier].call { return false }
            }
        }
        var dictionary: [String: Int] = [:]
        return order.allSatisfy { index in
            let output = perform(history[index].operation, on: &dictionary)
            return history[index].return == nil || history[index].output == nil || history[index].output == output
        }
    }
}
