// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import ZProcCore

@Suite struct AlarmClockTests {
    /// What happened, in order.
    private final class Record: Sendable {
        private let events = Mutex<[Int]>([])
        let isComplete = Promise<Void>()

        func add(_ event: Int, last: Int) {
            events.withLock { $0.append(event) }
            if event == last { isComplete.settle() }
        }
        var all: [Int] { events.withLock { $0 } }
    }

    @Test func alarmsRingInTheOrderOfTheirTimes() async throws {
        let clock = AlarmClock(), record = Record(), start = ContinuousClock.now
        for number in [3, 1, 2, 0, 4] {
            clock.set(at: start + .milliseconds(5 * number)) { record.add(number, last: 4) }
        }
        try await record.isComplete.value()
        #expect(record.all == [0, 1, 2, 3, 4])
        #expect(ContinuousClock.now - start >= .milliseconds(20))
        #expect(clock.count == 0)
    }

    @Test func oneThatIsCancelledDoesNotRing() async throws {
        let clock = AlarmClock(), record = Record()
        let cancelled = (0..<1_000).map { number in clock.set(after: .milliseconds(1)) { record.add(number, last: -1) }
        }
        for alarm in cancelled { alarm.cancel() }
        clock.set(after: .milliseconds(2)) { record.add(-1, last: -1) }
        try await record.isComplete.value()
        // Those that rang before they could be cancelled are few, and come first.
        #expect(record.all.last == -1)
        #expect(clock.count == 0)
    }

    @Test func anEarlierOneIsNotLateForALaterOne() async throws {
        let clock = AlarmClock(), record = Record()
        let late = clock.set(after: .seconds(3_600)) { record.add(1, last: 0) }
        clock.set(after: .milliseconds(1)) { record.add(0, last: 0) }
        try await record.isComplete.value()
        #expect(record.all == [0])
        #expect(clock.count == 1)
        late.cancel()
        #expect(clock.count == 0)
    }

    /// What is cancelled is forgotten at once, whatever its time is: nothing piles up.
    @Test func cancelledOnesTakeNoRoom() {
        let clock = AlarmClock()
        for _ in 0..<100_000 { clock.set(after: .seconds(3_600)) {}.cancel() }
        #expect(clock.count == 0)
        #expect(clock.entryCount <= 130)
    }

    @Test func oneInThePastRings() async throws {
        let clock = AlarmClock(), record = Record()
        clock.set(after: .seconds(-5)) { record.add(0, last: 0) }
        try await record.isComplete.value()
    }
}
