// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZeroMQ

/// What a loop waits for, found by its key.
@Suite struct SourceTableTests {
    private final class Source: LoopSource {
        let key: UInt64
        let descriptor: Int32 = -1

        init(_ key: UInt64) { self.key = key }

        func serve(_ events: LoopEvents) {}
    }

    @Test func itHoldsWhatADictionaryHolds() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        var table = SourceTable(), expected: [UInt64: Source] = [:]
        for step in 0..<5_000 {
            // Nearly in order, as when several threads make keys at once.
            let key = UInt64(step / 4) + UInt64.random(in: 0...8, using: &generator)
            if Bool.random(using: &generator) {
                let source = Source(key)
                table.insert(source)
                if expected[key] == nil { expected[key] = source }
            } else {
                table.remove(key)
                expected[key] = nil
            }
            let asked = UInt64.random(in: 0...UInt64(step / 4 + 10), using: &generator)
            #expect(table[asked] === expected[asked], "seed \(seed), step \(step)")
        }
        for (key, source) in expected { #expect(table[key] === source, "seed \(seed)") }
    }
}
