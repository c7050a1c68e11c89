// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Decides whether some order of the operations of a concurrent history explains all their answers.
///
/// The order must put an operation before another one that was called after it had returned; a return and a call in
/// the same nanosecond leave the order open. An operation without a return may take any place after its call, or none.
///
/// The search is that of Wing and Gong, who place one operation after the other and go back when no more can follow,
/// with Lowe's memory of what was tried: the set of operations placed so far and the state they lead to.
///
/// - J. M. Wing, C. Gong: Testing and verifying concurrent objects. Journal of Parallel and Distributed Computing
///   17 (1993), 164–182.
/// - G. Lowe: Testing for linearizability. Concurrency and Computation: Practice and Experience 29 (2017), e3928.
///
/// The problem is NP-complete. In practice time grows with the number of operations, and up to exponentially with how
/// many of them overlap.
public struct LinearizabilityChecker<Model: SequentialModel>: Sendable {
    /// How many times the search of one partition may step the model.
    public var maximumSteps: Int

    /// Makes a checker that gives up a partition after `maximumSteps` steps.
    public init(maximumSteps: Int = 10_000_000) {
        self.maximumSteps = maximumSteps
    }

    /// Checks a history, whose operations may come in any order.
    ///
    /// Partitions are checked in the order of their names up to the first violation.
    public func check(_ history: [RecordedOperation<Model.Operation, Model.Output>]) -> Verdict {
        var undecidedSteps: Int?
        for (partition, operations) in partitions(of: history) {
            var search = Search<Model>(operations)
            switch search.run(maximumSteps: maximumSteps) {
            case .explained: continue
            case .exhausted: return .violation(partition: partition, text: search.transcript(of: partition))
            case .gaveUp: undecidedSteps = (undecidedSteps ?? 0) + search.steps
            }
        }
        return undecidedSteps.map { .undecided(steps: $0) } ?? .linearizable
    }

    private func partitions(
        of history: [RecordedOperation<Model.Operation, Model.Output>]
    ) -> [(key: String, value: [RecordedOperation<Model.Operation, Model.Output>])] {
        var partitions: [String: [RecordedOperation<Model.Operation, Model.Output>]] = [:]
        for recorded in history {
            guard let name = Model.partition(recorded.operation) else { return [("*", history)] }
            partitions[name, default: []].append(recorded)
        }
        return partitions.sorted { $0.key < $1.key }
    }
}
