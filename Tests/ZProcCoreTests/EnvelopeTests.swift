// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing
import ZProcCore

@Suite struct EnvelopeTests {
    static let peer = PeerInfo(build: "abc", node: NodeID(number: .max), processID: 4_242)
    static let all: [Envelope] = [
        .hello(peer), .welcome(peer), .refused("no"), .refused(String(repeating: "é", count: 300)),
        .call(CallID(1), service: "state", method: "get", arguments: [1, 2, 3]),
        .call(CallID(.max), service: "", method: String(repeating: "m", count: 70_000), arguments: []),
        .call(CallID(300), service: "s", method: "m", arguments: [UInt8](repeating: 1, count: 300)[...]),
        .call(CallID(70_000), service: "s", method: "m", arguments: [UInt8](repeating: 1, count: 70_000)[...]),
        .success(CallID(5_000_000_000), result: [0xc0]),
        .failure(CallID(127), WireError(code: "c", message: "m", type: [1], payload: [2])), .cancel(CallID(128)),
        .alias(0, service: "actor", method: String(repeating: "m", count: 60)),
        .aliasedCall(CallID(7), alias: 63, arguments: [1, 2, 3]),
        .aliasedCall(CallID(70_000), alias: 1, arguments: [UInt8](repeating: 1, count: 70_000)[...]),
    ]

    @Test(arguments: all)
    func messagesComeBackAsTheyWent(_ envelope: Envelope) throws {
        #expect(try Envelope(decoding: envelope.encoded()) == envelope)
    }

    /// The parts that a call or an answer is sent in; nil for others.
    private static func parts(of envelope: Envelope) -> Envelope.Parts? {
        switch envelope {
        case .call(let id, let service, let method, let arguments, let request, let trace):
            Envelope.parts(
                ofCall: id,
                service: service,
                method: method,
                arguments: Array(arguments),
                request: request,
                trace: trace
            )
        case .aliasedCall(let id, let alias, let arguments):
            Envelope.parts(ofCall: id, alias: alias, arguments: Array(arguments))
        case .success(let id, let result): Envelope.parts(ofSuccess: id, result: Array(result))
        default: nil
        }
    }

    @Test(arguments: all.filter { parts(of: $0) != nil })
    func theTwoPartsAreTheMessage(_ envelope: Envelope) throws {
        let (head, body) = try #require(Self.parts(of: envelope))
        #expect(head + body == envelope.encoded())
    }

    @Test(arguments: [0, 65_536, 65_537, 1_000_000])
    func whatIsCarriedIsAPartOfItsOwnWhenItIsLarge(_ count: Int) throws {
        let payload = [UInt8](repeating: 7, count: count), isLarge = count > 65_536
        let request = UpdateRequest(client: 1, number: 2, answered: 1)
        let envelopes: [(Envelope, Bool)] = [
            (.success(CallID(1), result: payload[...]), isLarge),
            (.call(CallID(1), service: "s", method: "m", arguments: payload[...]), isLarge),
            (.aliasedCall(CallID(1), alias: 2, arguments: payload[...]), isLarge),
            // It is not what comes last.
            (.call(CallID(1), service: "s", method: "m", arguments: payload[...], request: request), false),
            (.call(CallID(1), service: "s", method: "m", arguments: payload[...], trace: ["a", "b"]), false),
        ]
        for (envelope, hasBody) in envelopes {
            let (head, body) = try #require(Self.parts(of: envelope))
            #expect(body == (hasBody ? payload : []))
            #expect(head + body == envelope.encoded())
        }
    }

    @Test(arguments: all)
    func messagesAreMessagePack(_ envelope: Envelope) throws {
        guard case .array(let parts) = try Value(decoding: envelope.encoded()) else {
            Issue.record("no array")
            return
        }
        #expect(Value.array(parts).encoded() == envelope.encoded())
    }

    @Test(arguments: all)
    func truncatedAndLongerMessagesAreMalformed(_ envelope: Envelope) {
        let bytes = envelope.encoded()
        for count in Set([0, 1, 2, 3, 5, bytes.count / 2, bytes.count - 1]) where count < bytes.count {
            #expect(throws: TransportError.self) { try Envelope(decoding: Array(bytes.prefix(count))) }
        }
        #expect(throws: TransportError.self) { try Envelope(decoding: bytes + [0]) }
    }

    /// Who sends it has not been let in yet.
    @Test func aTraceHasItsLimit() throws {
        func call(_ count: Int) -> [UInt8] {
            let header: [UInt8] = count < 16 ? [0x90 | UInt8(count)] : [0xdc, UInt8(count >> 8), UInt8(count & 0xff)]
            return [0x96, 3, 1, 0xa1, 0x73, 0xa1, 0x6d, 0xc4, 0] + header + [UInt8](repeating: 0xa0, count: count)
        }
        for count in [0, 2, 14] {
            let trace = [String](repeating: "", count: count)
            let expected = Envelope.call(CallID(1), service: "s", method: "m", arguments: [], trace: trace)
            #expect(try Envelope(decoding: call(count)) == expected)
        }
        for count in [15, 16, 60_000] {
            let error = try #require(throws: TransportError.self) { try Envelope(decoding: call(count)) }
            #expect(error.code == .malformed)
        }
        // The array itself has the short form.
        #expect(throws: TransportError.self) { try Envelope(decoding: [0xdc, 0, 2, 6, 1]) }
        #expect(try Envelope(decoding: [0x92, 6, 1]) == .cancel(CallID(1)))
    }

    @Test func randomBytesAreMalformedOrAMessage() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(state: seed)
        for round in 0..<20_000 {
            var bytes = Self.all[round % Self.all.count].encoded()
            if bytes.count > 1_000 { continue }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            do throws(TransportError) {
                // What is accepted can be written again; the form of numbers may be shorter then.
                #expect(try Envelope(decoding: Envelope(decoding: bytes).encoded()).encoded().count <= bytes.count + 16)
            } catch {
                #expect(error.code == .malformed, "seed \(seed), round \(round)")
            }
        }
    }
}

struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
