// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProcCore

@Suite struct BundleTests {
    private static let hello = Envelope.hello(EnvelopeTests.peer).encoded()

    /// What a receiver makes of what was sent.
    private func received(_ sent: [[UInt8]]) -> [[UInt8]] { sent.flatMap { Bundle.messages(in: $0) ?? [$0] } }

    /// `ZPROC_SEED` repeats a run.
    @Test func messagesComeOutInTheirOrder() {
        var random = SeededNumbers.announced("bundles")
        for _ in 0..<300 {
            let messages = (0..<Int.random(in: 0...700, using: &random)).map { number in
                let isLarge = Int.random(in: 0..<50, using: &random) == 0
                let count = isLarge ? Int.random(in: 0...40_000, using: &random) : 20
                let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: count)
                return Envelope.success(CallID(UInt64(number)), result: payload[...]).encoded()
            }
            let sent = Bundle.joined(messages)
            #expect(received(sent) == messages)
            // Large ones alone, the others together, but never much at once.
            for (message, next) in zip(sent, sent.dropFirst()) {
                guard let bundle = Bundle.messages(in: message) else { continue }
                #expect(bundle.count > 1)
                #expect(message.count <= Bundle.maximumByteCount && bundle.count <= 128)
                let following = Bundle.messages(in: next)?[0].count ?? next.count
                #expect(message.count + following > 8_192 || bundle.count == 128 || following > 1_024)
            }
        }
    }

    @Test func aHelloIsAlwaysInABundle() throws {
        let alone = Bundle.joined([Self.hello])
        #expect(alone.count == 1)
        #expect(Bundle.messages(in: alone[0]) == [Self.hello])
        let call = Envelope.cancel(CallID(1)).encoded()
        #expect(Bundle.joined([call]) == [call])
        let together = try #require(Bundle.joined([Self.hello, call]).first)
        #expect(Bundle.messages(in: together) == [Self.hello, call])
        // After a large one, too.
        let large = Envelope.success(CallID(1), result: [UInt8](repeating: 0, count: 5_000)[...]).encoded()
        #expect(received(Bundle.joined([large, Self.hello])) == [large, Self.hello])
        #expect(Bundle.joined([large, Self.hello]).count == 2)
        #expect(Bundle.joined([]).isEmpty)
        #expect(received(Bundle.joined([[], call, []])) == [[], call, []])
    }

    /// What is larger than any that is sent is none, whatever is in it.
    @Test func aBundleHasItsLimits() {
        func bundle(_ count: Int, of message: [UInt8]) -> [UInt8] {
            return FieldWriter.bytes(count: 1 + count, first: 8) { writer in
                for _ in 0..<count { writer.append(message) }
            }
        }
        #expect(Bundle.messages(in: bundle(128, of: [7]))?.count == 128)
        #expect(Bundle.messages(in: bundle(129, of: [7])) == nil)
        #expect(Bundle.messages(in: bundle(100_000, of: [7])) == nil)
        #expect(Bundle.messages(in: bundle(2, of: [UInt8](repeating: 7, count: 4_000)))?.count == 2)
        #expect(Bundle.messages(in: bundle(2, of: [UInt8](repeating: 7, count: 5_000))) == nil)
        #expect(Bundle.messages(in: bundle(2, of: [])) == nil)
    }

    @Test(arguments: EnvelopeTests.all)
    func noMessageIsTakenForABundle(_ envelope: Envelope) {
        #expect(Bundle.messages(in: envelope.encoded()) == nil)
    }

    @Test(arguments: [
        [], [0x90], [0x91, 0x08], [0x92, 0x08], [0x92, 0x08, 0xc4], [0x92, 0x08, 0xc4, 5, 1], [0x92, 0x08, 0xa1, 0x61],
        [0x92, 0x08, 0xc4, 1, 1, 0], [0x92, 0x09, 0xc4, 0], [0xdd, 0xff, 0xff, 0xff, 0xff, 0x08], [0xdc, 0, 2, 0x08],
        [0x82, 0x08, 0xc4, 0, 0, 0],
    ])
    func whatIsNoBundleIsNone(_ bytes: [UInt8]) {
        #expect(Bundle.messages(in: bytes) == nil)
    }

    @Test func aBundleHasAnyFormOfAnArray() {
        #expect(Bundle.messages(in: [0xdc, 0, 2, 0x08, 0xc5, 0, 1, 7]) == [[7]])
        #expect(Bundle.messages(in: [0xdd, 0, 0, 0, 3, 0xcc, 8, 0xc4, 1, 6, 0xc6, 0, 0, 0, 1, 7]) == [[6], [7]])
    }
}
