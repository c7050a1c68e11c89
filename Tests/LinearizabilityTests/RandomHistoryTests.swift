// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Linearizability
import Testing

/// Histories made at random.
///
/// Seeds are in the messages of failures and in the output.
@Suite(.timeLimit(.minutes(5)))
struct RandomHistoryTests {
    private let seed: UInt64

    init() {
        seed = .random(in: .min ... .max)
        print("random histories from seed \(seed)")
    }

    @Test func historiesOfARealDictionaryAreLinearizable() {
        var random = SplitMix64(state: seed)
        for round in 0..<300 {
            let maker = RandomHistory(
                processes: .random(in: 1...8, using: &random),
                keys: ["x", "y", "z"],
                values: [2, 5, 1_000].randomElement(using: &random) ?? 5,
                deaths: [0, 0.05, 0.2].randomElement(using: &random) ?? 0
            )
            let history = maker.make(.random(in: 0...60, using: &random), using: &random)
            #expect(MapChecker().check(history) == .linearizable, "seed \(seed), round \(round): \(history)")
        }
    }

    @Test func mostWrongAnswersAreFound() {
        var random = SplitMix64(state: seed)
        let maker = RandomHistory(processes: 4, keys: ["x", "y"], values: 1_000)
        let rounds = 300
        var found = 0
        for _ in 0..<rounds {
            let history = maker.mutated(maker.make(40, using: &random), using: &random)
            if MapChecker().check(history).isViolation { found += 1 }
        }
        print("\(found) of \(rounds) wrong answers found")
        #expect(found > rounds * 3 / 4, "seed \(seed)")
    }

    /// Small histories of three kinds: real ones, real ones with one wrong answer, and answers drawn by lot.
    @Test func theCheckerAgreesWithBruteForce() {
        var random = SplitMix64(state: seed)
        var counts = [true: 0, false: 0]
        for round in 0..<1_500 {
            let maker = RandomHistory(
                processes: .random(in: 1...4, using: &random),
                keys: round % 2 == 0 ? ["x"] : ["x", "y"],
                values: 3,
                deaths: [0, 0.3, 0.6].randomElement(using: &random) ?? 0
            )
            var history = maker.make(.random(in: 1...6, using: &random), using: &random)
            switch round % 3 {
            case 0: break
            case 1: history = maker.mutated(history, using: &random)
            default:
                for index in history.indices where history[index].return != nil {
                    history[index].output = maker.answer(to: history[index].operation, using: &random)
                }
            }
            let expected = BruteForce(history: history).isLinearizable()
            counts[expected, default: 0] += 1
            let verdict = MapChecker().check(history)
            #expect(verdict.isViolation == !expected, "seed \(seed), round \(round): \(history)")
            #expect((verdict == .linearizable) == expected, "seed \(seed), round \(round): \(history)")
        }
        print("brute force: \(counts)")
        // Both verdicts must have been asked for often.
        #expect(counts.values.allSatisfy { $0 > 150 }, "seed \(seed)")
    }

    @Test(arguments: [0, 0.01])
    func aLongHistoryOfOneKeyIsDecided(deaths: Double) {
        var random = SplitMix64(state: seed)
        for values in [3, 1_000_000] {
            let maker = RandomHistory(processes: 8, keys: ["x"], values: values, deaths: deaths)
            let history = maker.make(400, using: &random)
            let clock = ContinuousClock()
            var verdict = Verdict.undecided(steps: 0)
            let time = clock.measure { verdict = MapChecker().check(history) }
            #expect(verdict == .linearizable, "seed \(seed)")
            var end = Recorded.at(1_000_000...1_000_001, 99, .get(key: "x"), .value(-5))
            end.process = 99
            let wrongTime = clock.measure { verdict = MapChecker(maximumSteps: 200_000).check(history + [end]) }
            // Deaths leave so many orders open that the search may give up before it has tried them all.
            #expect(deaths > 0 ? verdict != .linearizable : verdict.isViolation, "seed \(seed)")
            print("400 operations, \(values) values, deaths \(deaths): \(time), with a wrong answer \(wrongTime)")
        }
    }
}
