// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import ZProcCore

@Suite struct ListenersTests {
    @Test func whoListensIsToldThePastAndWhatFollows() async {
        var listeners = Listeners<Int>()
        let stream = listeners.add(after: [1, 2], limit: 10, isLast: false) { _ in }
        listeners.yield(3)
        listeners.removeAll().finish()
        #expect(listeners.count == 0)
        #expect(await stream.reduce(into: []) { $0.append($1) } == [1, 2, 3])
        let late = listeners.add(after: [1, 2, 3], limit: 2, isLast: true) { _ in }
        #expect(listeners.count == 0)
        #expect(await late.reduce(into: []) { $0.append($1) } == [2, 3])
    }

    @Test func whoHasGoneIsForgotten() {
        let gone = Mutex<[UInt64]>([])
        var listeners = Listeners<Int>()
        do {
            let stream = listeners.add(after: [], limit: 1, isLast: false) { number in
                gone.withLock { $0.append(number) }
            }
            withExtendedLifetime(stream) { listeners.yield(1) }
        }
        for number in gone.withLock({ $0 }) { listeners.remove(number) }
        #expect(listeners.count == 0)
    }
}
