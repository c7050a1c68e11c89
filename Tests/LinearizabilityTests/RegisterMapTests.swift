// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Linearizability
import Testing

/// Histories made by hand; times are nanoseconds.
@Suite(.timeLimit(.minutes(5)))
struct RegisterMapTests {
    private func verdict(_ history: Recorded...) -> Verdict { MapChecker().check(history) }

    @Test func anEmptyHistoryIsLinearizable() {
        #expect(verdict() == .linearizable)
    }

    @Test func overlappingOperationsMayTakeEitherOrder() {
        for seen in [1, 2] {
            #expect(
                verdict(
                    .at(0...100, 0, .set(key: "x", 1), .done),
                    .at(0...100, 1, .set(key: "x", 2), .done),
                    .at(101...110, 2, .get(key: "x"), .value(seen))
                ) == .linearizable
            )
        }
    }

    @Test func aReadDuringAWriteSeesOldOrNew() {
        for seen in [nil, 1] {
            #expect(
                verdict(
                    .at(0...100, 0, .set(key: "x", 1), .done),
                    .at(10...20, 1, .get(key: "x"), .value(seen))
                ) == .linearizable
            )
        }
    }

    @Test func aStaleReadIsAViolation() {
        let result = verdict(
            .at(0...10, 0, .set(key: "x", 1), .done),
            .at(20...30, 0, .set(key: "x", 2), .done),
            .at(40...50, 1, .get(key: "x"), .value(1))
        )
        #expect(result.isViolation)
    }

    @Test func aReadThatGoesBackIsAViolation() {
        // Both reads overlap the write; the second begins after the first has seen the new value.
        let result = verdict(
            .at(0...100, 0, .set(key: "x", 1), .done),
            .at(10...20, 1, .get(key: "x"), .value(1)),
            .at(30...40, 2, .get(key: "x"), .value(nil))
        )
        #expect(result.isViolation)
    }

    @Test func aLostUpdateIsAViolation() {
        let history: [Recorded] = [
            .at(0...10, 0, .set(key: "x", 5), .done),
            .at(20...60, 1, .increment(key: "x", by: 1), .value(6)),
            .at(20...60, 2, .increment(key: "x", by: 1), .value(6)),
        ]
        #expect(MapChecker().check(history).isViolation)
        var right = history
        right[1].output = .value(7)
        #expect(MapChecker().check(right) == .linearizable)
    }

    @Test func aValueNeverWrittenIsAViolation() {
        let result = verdict(
            .at(0...100, 0, .set(key: "x", 1), .done),
            .at(50...60, 1, .get(key: "x"), .value(7))
        )
        #expect(result.isViolation)
    }

    @Test func onlyOneCompareAndSetFromAValueSucceeds() {
        let history: [Recorded] = [
            .at(0...50, 0, .compareAndSet(key: "x", expected: nil, 1), .bool(true)),
            .at(0...50, 1, .compareAndSet(key: "x", expected: nil, 2), .bool(true)),
        ]
        #expect(MapChecker().check(history).isViolation)
        var right = history
        right[0].output = .bool(false)
        #expect(MapChecker().check(right) == .linearizable)
        // Unless something takes the value back in between.
        #expect(MapChecker().check(history + [.at(0...50, 2, .remove(key: "x"), .value(1))]) == .linearizable)
    }

    @Test func aRemoveAnswersTheValueBefore() {
        #expect(
            verdict(
                .at(0...10, 0, .set(key: "x", 3), .done),
                .at(20...30, 0, .remove(key: "x"), .value(3)),
                .at(40...50, 0, .remove(key: "x"), .value(nil))
            ) == .linearizable
        )
        let twice = verdict(
            .at(0...10, 0, .set(key: "x", 3), .done),
            .at(20...50, 0, .remove(key: "x"), .value(3)),
            .at(20...50, 1, .remove(key: "x"), .value(3))
        )
        #expect(twice.isViolation)
    }

    @Test func aSumThatDoesNotFitIsNeverAnAnswer() {
        let full = Recorded.at(0...10, 0, .set(key: "x", .max), .done)
        #expect(verdict(full, .at(20...30, 0, .increment(key: "x", by: 1), .value(.min))).isViolation)
        #expect(
            verdict(
                full,
                .killed(20, 9, .increment(key: "x", by: 1)),
                .at(30...40, 1, .get(key: "x"), .value(.max))
            ) == .linearizable
        )
    }

    @Test func anAnswerOfAnotherKindIsAViolation() {
        #expect(verdict(.at(0...10, 0, .get(key: "x"), .done)).isViolation)
        #expect(verdict(.at(0...10, 0, .set(key: "x", 1), .bool(true))).isViolation)
    }

    @Test func keysAreIndependent() {
        #expect(
            verdict(
                .at(0...10, 0, .set(key: "x", 1), .done),
                .at(20...30, 1, .get(key: "y"), .value(nil)),
                .at(20...30, 1, .get(key: "x"), .value(1))
            ) == .linearizable
        )
    }

    @Test func writesOfTwoKeysMayBeSeenInAnOrderUnlikeTheirCalls() {
        // y is written by a call that came last, and seen first.
        #expect(
            verdict(
                .at(0...100, 0, .set(key: "x", 1), .done),
                .at(5...100, 1, .set(key: "y", 1), .done),
                .at(10...20, 2, .get(key: "y"), .value(1)),
                .at(30...40, 2, .get(key: "x"), .value(nil))
            ) == .linearizable
        )
    }

    @Test func aViolationNamesItsKey() throws {
        let result = verdict(
            .at(0...10, 0, .set(key: "a", 1), .done),
            .at(0...10, 1, .set(key: "b", 1), .done),
            .at(20...30, 2, .get(key: "b"), .value(9)),
            .at(20...30, 3, .get(key: "c"), .value(nil))
        )
        guard case .violation(let partition, let text) = result else {
            Issue.record("no violation: \(result)")
            return
        }
        #expect(partition == "b")
        #expect(
            text == """
                partition b: no order explains more than 1 of 2 answers, such as this one:
                  process 1 [0…10]: set(b, 1) → done; then 1
                in state 1, none of these leads further:
                  process 2 [20…30]: get(b) → 9
                """
        )
    }
}
