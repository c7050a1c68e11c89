// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProc

@Suite struct NumberTableTests {
    @Test func aValueIsFoundUnderItsNumberOnly() {
        var table = NumberTable<String>()
        #expect(table[0] == nil)
        let nothing = table.remove(3), zero = table.insert("zero", for: 0), large = table.insert("large", for: .max)
        #expect(nothing == nil)
        #expect(zero && large)
        #expect(table[0] == "zero")
        #expect(table[.max] == "large")
        // The same place, another number.
        #expect(table[16] == nil)
        let other = table.remove(1 << 32)
        #expect(other == nil)
        #expect(table.count == 2)
    }

    @Test func aNumberStandsForOneValueAtATime() {
        var table = NumberTable<String>()
        // Those that have places of their own, those for which the table is made larger, and those that always meet.
        let numbers: [UInt64] = Array(0..<20) + (2..<40).map { $0 << 4 } + (1..<100).map { $0 << 40 }
        let first = numbers.map { table.insert("first", for: $0) }
        let second = numbers.map { table.insert("second", for: $0) }
        #expect(first == numbers.map { _ in true })
        #expect(second == numbers.map { _ in false })
        #expect(table.count == numbers.count)
        let removed = numbers.map { table.remove($0) }, third = numbers.map { table.insert("third", for: $0) }
        #expect(removed == numbers.map { _ in "first" })
        #expect(third == numbers.map { _ in true })
        let all = table.removeAll()
        #expect(all == numbers.map { _ in "third" })
        #expect(table.count == 0)
    }

    /// One that stays, as a call that takes long, is not lost to those that come after it.
    @Test func anOldValueStaysWhileManyComeAndGo() {
        var table = NumberTable<UInt64>()
        table.insert(1, for: 1)
        for number in UInt64(2)..<10_000 {
            let isNew = table.insert(number, for: number)
            #expect(isNew)
            guard number > 100 else { continue }
            let removed = table.remove(number - 50)
            #expect(removed == number - 50)
        }
        #expect(table[1] == 1)
        let rest = table.removeAll()
        #expect(rest == Array(1...50) + Array(9_950..<10_000))
    }

    /// Whatever is done, it holds what a dictionary does.
    @Test func itHoldsWhatADictionaryHolds() throws {
        var random = SeededRandom.announced("a table of numbers")
        var table = NumberTable<Int>(), dictionary: [UInt64: Int] = [:]
        var newest: UInt64 = 0
        for step in 0..<20_000 {
            // Mostly the next number or one that is near, and sometimes one that somebody chose so that many meet.
            let number =
                switch random.next() % 8 {
                case 0...2: newest &+ 1
                case 3...5: newest &- random.next() % 64
                case 6: random.next() % 32 << 20
                default: random.next() % 1_000
                }
            if Bool.random(using: &random) {
                let isNew = table.insert(step, for: number)
                #expect(isNew == (dictionary[number] == nil), "step \(step)")
                if isNew { dictionary[number] = step }
                newest = number
            } else {
                let removed = table.remove(number)
                #expect(removed == dictionary.removeValue(forKey: number), "step \(step)")
            }
            try #require(table.count == dictionary.count && table[newest] == dictionary[newest], "step \(step)")
        }
        #expect(table.numbers == dictionary.keys.sorted())
        let rest = table.removeAll()
        #expect(rest == dictionary.sorted { $0.key < $1.key }.map(\.value))
    }
}
