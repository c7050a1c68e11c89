// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What a checker found out about a history.
public enum Verdict: Sendable, Equatable {
    /// Some order of the operations explains all answers.
    case linearizable

    /// No order of the operations of `partition` explains all their answers.
    ///
    /// `text` is for people: an order that explains as many answers as any, and the operations that cannot follow it.
    /// The partition is `*` when the history is not partitioned.
    case violation(partition: String, text: String)

    /// The search gave up after so many steps; partitions that were decided hold no violation.
    case undecided(steps: Int)
}
