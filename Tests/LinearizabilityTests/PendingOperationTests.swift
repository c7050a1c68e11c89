// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Linearizability
import Testing

/// Operations of killed processes, which may take effect late or never.
@Suite(.timeLimit(.minutes(5)))
struct PendingOperationTests {
    private func verdict(_ history: Recorded...) -> Verdict { MapChecker().check(history) }

    @Test func aPendingWriteMayBeSeenOrNot() {
        for seen in [nil, 1] {
            #expect(
                verdict(
                    .killed(0, 9, .set(key: "x", 1)),
                    .at(1_000...1_010, 1, .get(key: "x"), .value(seen))
                ) == .linearizable
            )
        }
    }

    @Test func aPendingWriteMayComeLate() {
        #expect(
            verdict(
                .killed(0, 9, .set(key: "x", 1)),
                .at(10...20, 1, .get(key: "x"), .value(nil)),
                .at(30...40, 1, .set(key: "x", 2), .done),
                .at(50...60, 1, .get(key: "x"), .value(2)),
                .at(70...80, 1, .get(key: "x"), .value(1))
            ) == .linearizable
        )
    }

    @Test func aPendingWriteIsNotSeenBeforeItsCall() {
        #expect(verdict(.killed(50, 9, .set(key: "x", 1)), .at(10...20, 1, .get(key: "x"), .value(1))).isViolation)
        // A read that has not returned by then may see it.
        #expect(verdict(.killed(50, 9, .set(key: "x", 1)), .at(10...50, 1, .get(key: "x"), .value(1))) == .linearizable)
    }

    @Test func aPendingWriteTakesEffectOnce() {
        let result = verdict(
            .killed(0, 9, .set(key: "x", 1)),
            .at(10...20, 1, .get(key: "x"), .value(1)),
            .at(30...40, 1, .set(key: "x", 2), .done),
            .at(50...60, 1, .get(key: "x"), .value(1))
        )
        #expect(result.isViolation)
    }

    @Test func severalPendingOperationsMayExplainOneAnswer() {
        let history: [Recorded] = [
            .killed(0, 9, .increment(key: "x", by: 3)), .killed(0, 9, .increment(key: "x", by: 5)),
            .killed(0, 9, .increment(key: "x", by: 20)), .at(10...20, 1, .get(key: "x"), .value(8)),
        ]
        #expect(MapChecker().check(history) == .linearizable)
        var wrong = history
        wrong[3].output = .value(9)
        #expect(MapChecker().check(wrong).isViolation)
    }

    @Test func anOutputWithoutAReturnDoesNotCount() {
        var write = Recorded.killed(0, 9, .compareAndSet(key: "x", expected: 4, 5))
        write.output = .bool(true)
        #expect(verdict(write) == .linearizable)
        #expect(verdict(write, .at(10...20, 1, .get(key: "x"), .value(nil))) == .linearizable)
    }

    @Test func aReturnWithoutAnOutputMustTakeEffect() {
        #expect(
            verdict(.at(0...10, 0, .set(key: "x", 1), nil), .at(20...30, 1, .get(key: "x"), .value(nil))).isViolation
        )
        #expect(
            verdict(
                .at(0...10, 0, .compareAndSet(key: "x", expected: 4, 1), nil),
                .at(20...30, 1, .get(key: "x"), .value(nil))
            ) == .linearizable
        )
    }

    @Test func aHistoryOfPendingOperationsIsLinearizable() {
        let history = (0..<1_000).map { Recorded.killed(UInt64($0), $0, .increment(key: "x", by: $0)) }
        #expect(MapChecker().check(history) == .linearizable)
    }

    /// Each killed increment may have counted or not; what is read must lie between, and never fall.
    @Test(arguments: [0, 70, 150])
    func aCounterOfManyKilledProcesses(counted: Int) {
        let killed = (0..<150).map { Recorded.killed(0, $0, .increment(key: "x", by: 1)) }
        var history = killed
        for read in 0...counted {
            let time = UInt64(100 + 10 * read)
            history.append(.at(time...(time + 5), 1_000, .get(key: "x"), .value(read == 0 ? nil : read)))
        }
        #expect(MapChecker().check(history) == .linearizable)
        let end = Recorded.at(9_000...9_001, 1_000, .get(key: "x"), .value(151))
        #expect(MapChecker(maximumSteps: 200_000).check(history + [end]).isViolation)
        let back = Recorded.at(9_000...9_001, 1_000, .get(key: "x"), .value(-1))
        #expect(MapChecker(maximumSteps: 200_000).check(history + [back]).isViolation)
    }
}
