// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProcCore

@Suite struct KnownStringsTests {
    private func string(_ bytes: [UInt8], _ known: KnownStrings) -> String? {
        bytes.withUnsafeBufferPointer { known.string($0) }
    }

    @Test func whatComesAgainIsTheSame() {
        let known = KnownStrings()
        let texts = ["", "short", "just as long as 16", "a name of thirty bytes, so long", "Grüße von weit her, 你好"]
        for text in texts + texts + texts.reversed() { #expect(string(Array(text.utf8), known) == text) }
        #expect(known.count == 3)
    }

    /// Those of one length are told apart by each of their bytes, and what is no text is none the second time, too.
    @Test func nothingIsTakenForAnother() {
        let known = KnownStrings()
        let name = Array("the name of a method".utf8)
        #expect(string(name, known) == "the name of a method")
        for index in name.indices {
            var other = name
            other[index] ^= 1
            #expect(string(other, known) == String(decoding: other, as: UTF8.self))
            other[index] = 0xff
            for _ in 0..<2 { #expect(string(other, known) == nil) }
        }
        #expect(string(name, known) == "the name of a method")
    }

    @Test func fewAreKeptAndNoneThatIsLong() {
        let known = KnownStrings()
        let long = String(repeating: "x", count: 2_000)
        #expect(string(Array(long.utf8), known) == long)
        #expect(known.count == 0)
        for number in 0..<1_000 {
            let name = "a name that somebody made up, \(number)"
            #expect(string(Array(name.utf8), known) == name)
        }
        #expect(known.count == 16)
    }

    @Test func aCallIsTheSameWhoeverKnowsItsMethod() throws {
        let known = KnownStrings()
        for method in ["get", "a method with a long name, as Swift's are", "a method with a long name, as Swift's do"] {
            for id in 1...3 as ClosedRange<UInt64> {
                let call = Envelope.call(
                    CallID(id),
                    service: "actor",
                    method: method,
                    arguments: [1, 2],
                    request: nil,
                    trace: []
                )
                #expect(try Envelope(decoding: call.encoded(), known: known) == call)
            }
        }
        #expect(known.count == 2)
    }
}
