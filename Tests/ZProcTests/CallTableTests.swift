// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProc
import ZProcCore

@Suite struct CallTableTests {
    @Test func aReplyFindsItsCallOnce() {
        var table = CallTable<String>()
        let first = table.makeID(), second = table.makeID()
        #expect(first != second)
        table.add("first", for: first)
        table.add("second", for: second)
        #expect(table.remove(second) == "second")
        #expect(table.remove(second) == nil)
        #expect(table.count == 1)
    }

    @Test func aLateReplyToACancelledCallIsDropped() {
        var table = CallTable<String>()
        let id = table.makeID()
        table.add("call", for: id)
        #expect(table.remove(id) == "call")
        #expect(table.remove(id) == nil)
    }

    @Test func theEndOfAConnectionEndsAllCallsOldestFirst() {
        var table = CallTable<Int>()
        for number in 0..<100 {
            let id = table.makeID()
            table.add(number, for: id)
        }
        #expect(table.removeAll() == Array(0..<100))
        #expect(table.count == 0)
    }

    @Test func aReplyToNothingIsDropped() {
        var table = CallTable<Int>()
        #expect(table.remove(CallID(7)) == nil)
    }
}
