// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

extension Search {
    /// How many operations at the end of an explained order a transcript shows.
    private var shownOperations: Int { 40 }

    /// A text for people on why the search found no order.
    ///
    /// Times are nanoseconds since the first call of the partition.
    func transcript(of partition: String) -> String {
        let origin = min(returned.first?.call ?? .max, pending.first?.call ?? .max)
        if let impossible {
            return "partition \(partition): an operation returned before it was called:\n"
                + line(impossible, since: origin)
        }
        var lines = [
            "partition \(partition): no order explains more than \(longest.depth) of \(returned.count) answers, "
                + "such as this one:"
        ]
        let hidden = max(0, longest.path.count - shownOperations)
        if hidden > 0 { lines.append("  … \(hidden) operations before") }
        var state = Model.initial
        for (position, choice) in longest.path.enumerated() {
            let recorded = recorded(choice)
            state = Model.step(state, recorded.operation, answer(of: recorded)) ?? state
            if position >= hidden { lines.append(line(recorded, since: origin) + "; then \(state)") }
        }
        lines.append("in state \(state), none of these leads further:")
        let stuck = choices(at: longest.end).reversed()
        lines += stuck.map { line(recorded($0), since: origin) }
        let stuckReturned = stuck.count { if case .returned = $0 { true } else { false } }
        let later = returned.count - longest.depth - stuckReturned
        if later > 0 { lines.append("  … \(later) operations were called after one of these had returned") }
        return lines.joined(separator: "\n")
    }

    private func recorded(_ choice: Choice) -> Recorded {
        switch choice {
        case .returned(let index): returned[index]
        case .pending(let index): pending[index]
        }
    }

    private func answer(of recorded: Recorded) -> Model.Output? { recorded.return == nil ? nil : recorded.output }

    private func line(_ recorded: Recorded, since origin: UInt64) -> String {
        let answer = answer(of: recorded).map { "\($0)" } ?? "unknown"
        let start = recorded.call - origin
        // A record that is wrong may return before the first call.
        let end = recorded.return.map { $0 < origin ? "-\(origin - $0)" : "\($0 - origin)" }
        let span = end.map { "[\(start)…\($0)]" } ?? "[\(start)…, no return seen]"
        return "  process \(recorded.process) \(span): \(recorded.operation) → \(answer)"
    }
}
