// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProcCore

/// Numbers, limits and retries of clients.
struct RequestTests {
    @Test func theFloorIsTheOldestUnansweredRequest() {
        var numbers = RequestNumbers()
        #expect(numbers.begin() == (1, 1))
        #expect(numbers.begin() == (2, 1))
        #expect(numbers.begin() == (3, 1))
        numbers.end(2)
        #expect(numbers.begin() == (4, 1))
        numbers.end(1)
        #expect(numbers.begin() == (5, 3))
        for number in 3...5 { numbers.end(UInt64(number)) }
        #expect(numbers.begin() == (6, 6))
        // Twice is as good as once.
        numbers.end(5)
        numbers.end(6)
        #expect(numbers.begin() == (7, 7))
    }

    /// In whatever order requests are answered, or twice, or ones that were never made.
    @Test func theFloorIsBelowNoUnansweredRequest() {
        var random = SeededNumbers.announced("requests"), numbers = RequestNumbers(), waiting: Set<UInt64> = []
        for _ in 0..<5_000 {
            // The fewer wait, the more begin.
            if Int.random(in: 0..<400, using: &random) > waiting.count {
                let (number, floor) = numbers.begin()
                waiting.insert(number)
                #expect(floor == waiting.min())
            } else {
                let first = waiting.min() ?? 0
                let number = UInt64.random(in: max(1, first) - 1...first + 300, using: &random)
                numbers.end(number)
                waiting.remove(number)
            }
        }
    }

    @Test func repliesAreForgottenInTime() {
        var cache = ReplyCache()
        for number in 1...4 {
            cache.keep([UInt8(number)], for: UpdateRequest(client: 1, number: UInt64(number), answered: 1), at: 10)
        }
        #expect(cache.count == 4)
        #expect(cache.reply(to: UpdateRequest(client: 1, number: 3, answered: 1)) == [3])
        #expect(cache.reply(to: UpdateRequest(client: 2, number: 3, answered: 1)) == nil)
        cache.keep([9], for: UpdateRequest(client: 1, number: 9, answered: 4), at: 20)
        #expect(cache.count == 2)
        cache.forget(before: 15)
        #expect(cache.count == 1)
        cache.forget(before: 21)
        #expect(cache.count == 0)
    }

    /// Whatever numbers a client gives: what it may ask again for is kept, and nothing that it has.
    @Test func repliesAreKeptInAnyOrderOfRequests() {
        var random = SeededNumbers.announced("replies"), cache = ReplyCache(), floor: UInt64 = 0
        var kept: [UInt64: [UInt8]] = [:]
        for round in 0..<2_000 {
            let number = UInt64.random(in: (floor < 5 ? 0 : floor - 5)...floor + 40, using: &random)
            let answered = UInt64.random(in: (number < 10 ? 0 : number - 10)...number + 1, using: &random)
            let reply = [UInt8(truncatingIfNeeded: round)]
            floor = max(floor, answered)
            kept = kept.filter { $0.key >= floor }
            if number >= floor { kept[number] = reply }
            cache.keep(reply, for: UpdateRequest(client: 1, number: number, answered: answered), at: 0)
            #expect(cache.count == kept.count, "round \(round)")
            for (number, reply) in kept {
                let request = UpdateRequest(client: 1, number: number, answered: 0)
                #expect(cache.reply(to: request) == reply, "round \(round)")
            }
        }
        // A leap.
        cache.keep([], for: UpdateRequest(client: 1, number: .max, answered: .max - 1), at: 0)
        #expect(cache.count == 1)
    }

    @Test func aRateIsASecondsWorthAtOnceAndThenSteady() {
        var limit = RateLimit(perSecond: 10)
        let start = ContinuousClock.now
        func passed(_ count: Int, at time: ContinuousClock.Instant) -> Int {
            (0..<count).count { _ in limit.take(now: time) }
        }
        #expect(passed(20, at: start) == 10)
        #expect(passed(20, at: start + .milliseconds(500)) == 5)
        #expect(passed(50, at: start + .seconds(100)) == 10)
        // A clock that stands still or goes back gives nothing.
        #expect(passed(1, at: start) == 0)
        limit = RateLimit(perSecond: -5)
        #expect(passed(3, at: start) == 1)
    }

    @Test func aCallIsMadeAgainAsLongAsThereIsPatience() throws {
        var retry = HubRetry(patience: .seconds(10), byteCount: 13)
        var now = ContinuousClock.now, pauses: [Duration] = []
        let start = now
        while let pause = retry.failed(isSent: false, now: now, jitter: 1) {
            pauses.append(pause)
            now += pause
        }
        #expect(now - start == .seconds(10))
        #expect(pauses.first == HubRetry.firstPause)
        #expect(pauses.allSatisfy { $0 <= HubRetry.longestPause })
        #expect(!retry.wasSent)
        // A hub that came back begins a new patience.
        retry.connected(now: now)
        now += .seconds(60)
        #expect(retry.failed(isSent: true, now: now, jitter: 1) == HubRetry.firstPause)
        #expect(retry.wasSent)
        #expect(!retry.isCutOff)
    }

    @Test(arguments: [
        (1 << 20, HubRetry.mostQuickLosses), (HubRetry.smallCall, HubRetry.mostQuickLosses),
        (13, HubRetry.mostQuickLossesOfSmallCall),
    ])
    func aCallThatEndsEveryConnectionIsGivenUp(_ byteCount: Int, after most: Int) {
        var retry = HubRetry(patience: .seconds(1_000), byteCount: byteCount)
        var now = ContinuousClock.now, tries = 0
        repeat {
            retry.connected(now: now)
            now += .milliseconds(5)
            tries += 1
        } while retry.failed(isSent: true, now: now, jitter: 1) != nil && tries < 100
        #expect(tries == most)
        #expect(retry.isCutOff)
    }

    @Test func aHubThatRefusesWhomItKnowsIsTriedAFewTimes() {
        var retry = HubRetry(patience: .seconds(1_000), byteCount: 13)
        for _ in 0..<2 {
            var pauses: [Duration] = []
            while let pause = retry.refused(jitter: 1) { pauses.append(pause) }
            #expect(pauses.count == HubRetry.mostRefusals)
            #expect(pauses == pauses.sorted())
            retry.connected(now: .now)
        }
    }

    @Test func noPatienceMeansOneTry() {
        var retry = HubRetry(patience: .zero, byteCount: 13)
        #expect(retry.failed(isSent: false, now: .now, jitter: 1) == nil)
    }
}
