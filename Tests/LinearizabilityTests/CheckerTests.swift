// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Linearizability
import Testing

@Suite(.timeLimit(.minutes(5)))
struct CheckerTests {
    /// A first-in, first-out queue, which is one object and has no partitions.
    enum Queue: SequentialModel {
        enum Operation: Sendable { case put(Int), take }
        static var initial: [Int] { [] }
        static func step(_ state: [Int], _ operation: Operation, _ output: Int??) -> [Int]? {
            switch operation {
            case .put(let element): return state + [element]
            case .take:
                if let output, output != state.first { return nil }
                return Array(state.dropFirst())
            }
        }
        static func partition(_ operation: Operation) -> String? { nil }
    }

    private typealias Step = RecordedOperation<Queue.Operation, Int?>

    private func queueHistory(_ first: Int?, _ second: Int?) -> [Step] {
        [
            Step(process: 0, call: 0, return: 10, operation: .put(1), output: .some(nil)),
            Step(process: 0, call: 20, return: 40, operation: .put(2), output: .some(nil)),
            Step(process: 1, call: 30, return: 60, operation: .take, output: .some(first)),
            Step(process: 2, call: 30, return: 60, operation: .take, output: .some(second)),
        ]
    }

    @Test func anyModelCanBeChecked() {
        let checker = LinearizabilityChecker<Queue>()
        #expect(checker.check(queueHistory(1, 2)) == .linearizable)
        #expect(checker.check(queueHistory(2, 1)) == .linearizable)
        #expect(checker.check(queueHistory(nil, 1)) == .linearizable)
        #expect(checker.check(queueHistory(2, nil)).isViolation)
        #expect(checker.check(queueHistory(1, 1)).isViolation)
    }

    @Test func aHistoryWithoutPartitionsIsOne() throws {
        guard case .violation(let partition, _) = LinearizabilityChecker<Queue>().check(queueHistory(2, nil)) else {
            Issue.record("no violation")
            return
        }
        #expect(partition == "*")
    }

    @Test func aReturnAndACallAtOneTimeLeaveTheOrderOpen() {
        let write = Recorded.at(0...10, 0, .set(key: "x", 1), .done)
        #expect(MapChecker().check([write, .at(10...20, 1, .get(key: "x"), .value(nil))]) == .linearizable)
        #expect(MapChecker().check([write, .at(11...20, 1, .get(key: "x"), .value(nil))]).isViolation)
    }

    @Test func theOrderOfRecordsDoesNotMatter() {
        var random = SplitMix64(state: 1)
        let history: [Recorded] = [
            .at(0...10, 0, .set(key: "x", 1), .done), .at(20...30, 0, .set(key: "x", 2), .done),
            .at(15...25, 1, .get(key: "x"), .value(2)), .at(40...50, 1, .get(key: "x"), .value(2)),
        ]
        for _ in 0..<24 { #expect(MapChecker().check(history.shuffled(using: &random)) == .linearizable) }
    }

    @Test func aReturnBeforeItsCallIsAViolation() {
        let wrong = Recorded(process: 3, call: 50, return: 40, operation: .set(key: "x", 1), output: .done)
        guard case .violation("x", let text) = MapChecker().check([wrong]) else {
            Issue.record("no violation")
            return
        }
        #expect(text.contains("process 3 [0…-10]: set(x, 1) → done"))
    }

    @Test func aSearchThatIsTooLongIsUndecided() {
        let writes = (0..<12).map { Recorded.at(0...100, $0, .increment(key: "x", by: 1 << $0), nil) }
        let history = writes + [.at(200...201, 20, .get(key: "x"), .value(1 << 20))]
        #expect(MapChecker(maximumSteps: 1_000).check(history) == .undecided(steps: 1_000))
        #expect(MapChecker().check(history).isViolation)
    }

    @Test func aViolationCountsMoreThanAnUndecidedPartition() {
        let writes = (0..<12).map { Recorded.at(0...100, $0, .increment(key: "a", by: 1 << $0), nil) }
        let hard = writes + [.at(200...201, 20, .get(key: "a"), .value(1 << 20))]
        let wrong = Recorded.at(0...1, 21, .get(key: "b"), .value(1))
        guard case .violation("b", _) = MapChecker(maximumSteps: 1_000).check(hard + [wrong]) else {
            Issue.record("no violation")
            return
        }
    }

    @Test func aTranscriptShowsTheEndOfALongOrder() {
        var history = (0..<100).map { index in
            let time = UInt64(index) * 10
            return Recorded.at(time...(time + 5), 0, .increment(key: "x", by: 1), .value(index + 1))
        }
        history.append(.killed(0, 7, .set(key: "x", -3)))
        history.append(.at(5_000...5_010, 1, .get(key: "x"), .value(99)))
        history.append(.at(6_000...6_010, 2, .get(key: "x"), .value(100)))
        guard case .violation(_, let text) = MapChecker().check(history) else {
            Issue.record("no violation")
            return
        }
        let lines = text.split(separator: "\n")
        #expect(lines.first == "partition x: no order explains more than 100 of 102 answers, such as this one:")
        #expect(lines.dropFirst().first == "  … 60 operations before")
        #expect(
            lines.suffix(5) == [
                "  process 0 [990…995]: increment(x, by: 1) → 100; then 100",
                "in state 100, none of these leads further:",
                "  process 1 [5000…5010]: get(x) → 99",
                "  process 7 [0…, no return seen]: set(x, -3) → unknown",
                "  … 1 operations were called after one of these had returned",
            ]
        )
    }

    @Test func historiesTravelAsCodable() throws {
        let history: [Recorded] = [
            .at(0...UInt64.max, 0, .set(key: "x", 1), .done), .killed(3, 9, .get(key: "é")),
            .at(1...2, 1, .compareAndSet(key: "x", expected: nil, 2), .bool(false)),
            .at(1...2, 1, .compareAndSet(key: "x", expected: 1, 2), .bool(true)),
            .at(1...2, 1, .increment(key: "x", by: -2), .value(0)), .at(1...2, 1, .remove(key: "x"), .value(nil)),
        ]
        let data = try JSONEncoder().encode(history)
        #expect(try JSONDecoder().decode([Recorded].self, from: data) == history)
    }
}
