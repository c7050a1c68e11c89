// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProcCore

private struct OvenError: Error, Equatable { var degrees = 0 }
private struct DoughError: Error {}

@Suite struct RetryPolicyTests {
    @Test func theNumberOfRetriesIsLimited() {
        var random = SystemRandomNumberGenerator()
        let policy = RetryPolicy(3)
        #expect(policy.delay(before: 3, after: OvenError(), random: &random) == .zero)
        #expect(policy.delay(before: 4, after: OvenError(), random: &random) == nil)
        #expect(RetryPolicy.never.delay(before: 1, after: OvenError(), random: &random) == nil)
        #expect(RetryPolicy(-1).delay(before: 1, after: OvenError(), random: &random) == nil)
        #expect(RetryPolicy(nil).delay(before: 1_000_000, after: OvenError(), random: &random) == .zero)
    }

    @Test func onlyWhatOneOfTheConditionsHoldsForIsRetried() {
        var random = SystemRandomNumberGenerator()
        func retries(_ policy: RetryPolicy, _ error: any Error) -> Bool {
            policy.delay(before: 1, after: error, random: &random) != nil
        }
        let typed = RetryPolicy(1, on: .error(OvenError.self))
        #expect(retries(typed, OvenError(degrees: 5)))
        #expect(!retries(typed, DoughError()))
        let exact = RetryPolicy(1, on: .error(OvenError(degrees: 5)), .error(DoughError.self))
        #expect(retries(exact, OvenError(degrees: 5)))
        #expect(!retries(exact, OvenError(degrees: 6)))
        #expect(retries(exact, DoughError()))
        let predicate = RetryPolicy(1, on: .where { ($0 as? OvenError)?.degrees ?? 0 > 200 })
        #expect(retries(predicate, OvenError(degrees: 201)))
        #expect(!retries(predicate, OvenError(degrees: 200)))
        for policy in [RetryPolicy(1), RetryPolicy(1, on: .where { _ in true })] {
            #expect(retries(policy, DoughError()))
            #expect(!retries(policy, CancellationError()))
        }
    }

    @Test func delaysGrowToTheirCeiling() {
        var random = SystemRandomNumberGenerator()
        let delay = RetryPolicy.Delay.exponential(from: .milliseconds(125), factor: 2, ceiling: .seconds(2), jitter: 0)
        let waits = (1...5).map { delay.duration(before: $0, random: &random) }
        #expect(waits == [.milliseconds(125), .milliseconds(250), .milliseconds(500), .seconds(1), .seconds(2)])
        #expect(delay.duration(before: 1_000_000, random: &random) == .seconds(2))
        #expect(RetryPolicy.Delay.constant(.seconds(1)).duration(before: 7, random: &random) == .seconds(1))
        #expect(RetryPolicy.Delay.none.duration(before: 1, random: &random) == .zero)
    }

    @Test func jitterTakesAwayAtMostItsPart() {
        let delay = RetryPolicy.Delay.exponential(from: .seconds(1), ceiling: .seconds(60), jitter: 0.25)
        var random = SystemRandomNumberGenerator()
        let waits = (0..<10_000).map { _ in delay.duration(before: 2, random: &random) }
        #expect(waits.allSatisfy { (Duration.milliseconds(1_500)...Duration.seconds(2)).contains($0) })
        // All of that range is used.
        #expect(waits.contains { $0 < .milliseconds(1_510) })
        #expect(waits.contains { $0 > .milliseconds(1_990) })
    }

    @Test func senselessDelaysAreNoWorseThanNone() {
        var random = SystemRandomNumberGenerator()
        for delay in [
            RetryPolicy.Delay(first: .seconds(-1), factor: 2, ceiling: .seconds(1), jitter: 0),
            .init(first: .seconds(1), factor: -2, ceiling: .seconds(-1), jitter: 9),
            .init(first: .seconds(Int64.max), factor: .infinity, ceiling: .seconds(Int64.max), jitter: -3),
            .init(first: .seconds(1), factor: .nan, ceiling: .seconds(1), jitter: .nan),
        ] {
            for retry in [Int.min, 0, 1, Int.max] {
                let wait = delay.duration(before: retry, random: &random)
                #expect(wait >= .zero)
                #expect(wait <= .seconds(3_000_000_000))
            }
        }
    }
}

private func take(_ window: inout CallWindow, _ number: UInt64) -> Bool { window.take(CallID(number)) == .new }

@Suite struct CallWindowTests {
    @Test func eachCallIsTakenOnce() {
        var window = CallWindow()
        for number: UInt64 in [1, 2, 5, 3, 4, 7, 6] { #expect(take(&window, number)) }
        for number: UInt64 in 0...7 { #expect(window.take(CallID(number)) == .repeated) }
        #expect(take(&window, 8))
    }

    @Test func whatIsTooFarBehindCountsAsTaken() {
        var window = CallWindow()
        #expect(take(&window, CallWindow.size + 10))
        #expect(window.take(CallID(10)) == .tooLate)
        #expect(take(&window, 11))
        #expect(!take(&window, 11))
        #expect(take(&window, .max))
        #expect(!take(&window, .max))
        #expect(take(&window, .max - 1))
        #expect(!take(&window, 12))
    }

    /// Compared with what it says it does, with numbers from anywhere.
    @Test func leapsLoseNothingThatIsStillInTheWindow() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            var window = CallWindow(), taken: Set<UInt64> = [], highest: UInt64 = 0
            for _ in 0..<2_000 {
                let reaches: [UInt64] = [1, 3, 100, 70_000, 1 << 40]
                let reach = reaches.randomElement(using: &random) ?? 1
                let back = min(highest, UInt64.random(in: 0...70_000, using: &random))
                let number = Bool.random(using: &random) ? highest + .random(in: 1...reach) : highest - back
                let isNew = number > 0 && !taken.contains(number)
                let isKnown = number + CallWindow.size > highest
                if isKnown { #expect(take(&window, number) == isNew) } else { _ = take(&window, number) }
                taken.insert(number)
                highest = max(highest, number)
            }
        }
    }

    /// Whoever sends every other number makes nobody wait.
    @Test func gapsCostNoMoreThanOrder() {
        var window = CallWindow()
        let time = ContinuousClock().measure {
            for number: UInt64 in 1...500_000 { _ = window.take(CallID(number * 2)) }
        }
        #expect(time < .seconds(20))
    }

    /// Compared with a set of all numbers, in an order that is shuffled a little.
    @Test func itRemembersLikeASet() {
        var random = SystemRandomNumberGenerator()
        var window = CallWindow(), taken: Set<UInt64> = []
        for number: UInt64 in 1...20_000 {
            for candidate in [number + UInt64.random(in: 0...50, using: &random), number] {
                let isNew = taken.insert(candidate).inserted, isTaken = take(&window, candidate)
                #expect(isTaken == isNew)
            }
        }
    }
}
