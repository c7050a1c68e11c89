// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MessagePack
import Testing

@Suite(.tags(.codable))
struct EncodedValueTests {
    struct Envelope<Payload: Codable & Equatable>: Codable, Equatable {
        var id: Int
        var payload: Payload
        var after: [Bool]
    }

    @Test func bytesGoInAsTheyAre() throws {
        let payload = try EncodedValue(encoding: ["k": [1, 2, 3]])
        let encoded = try MessagePackEncoder().encode(Envelope(id: 1, payload: payload, after: [true]))
        #expect(
            encoded == (try MessagePackEncoder().encode(Envelope(id: 1, payload: ["k": [1, 2, 3]], after: [true])))
        )
        let value = try MessagePackDecoder().decode(Envelope<[String: [Int]]>.self, from: encoded)
        #expect(value.payload == ["k": [1, 2, 3]])
        #expect(try payload.decode([String: [Int]].self) == ["k": [1, 2, 3]])
    }

    @Test(
        arguments: [5, "text", nil, [1, [2, ["a": .binary([1])]]], ["x": [:], "y": []], .ext(type: 1, [1])] as [Value]
    )
    func bytesComeOutAsTheyAre(payload: Value) throws {
        let envelope = Envelope(id: 1, payload: payload, after: [false])
        let decoded = try roundTripAs(Envelope<EncodedValue>.self, envelope)
        #expect(decoded.payload.bytes == payload.encoded())
        #expect(decoded.after == [false])
        let list = try roundTripAs([EncodedValue].self, [payload, payload])
        #expect(list.map(\.bytes) == [payload.encoded(), payload.encoded()])
    }

    @Test func formsOfOthersAreKept() throws {
        // 5 in nine bytes, which this library would never write.
        let wide: [UInt8] = [0xcf, 0, 0, 0, 0, 0, 0, 0, 5]
        let decoded = try MessagePackDecoder().decode([EncodedValue].self, from: [0x91] + wide)
        #expect(decoded[0].bytes == wide)
        #expect(try MessagePackEncoder().encode(decoded) == [0x91] + wide)
        #expect(try decoded[0].decode(Int.self) == 5)
    }

    @Test func otherFormatsSeeTheValue() throws {
        let value = try EncodedValue(encoding: ["k": [1, 2]])
        let json = try JSONEncoder().encode([value])
        #expect(try JSONDecoder().decode([[String: [Int]]].self, from: json) == [["k": [1, 2]]])
        #expect(try JSONDecoder().decode([EncodedValue].self, from: json) == [value])
    }

    private func roundTripAs<A: Encodable, B: Decodable>(_ type: B.Type, _ value: A) throws -> B {
        try MessagePackDecoder().decode(type, from: MessagePackEncoder().encode(value))
    }
}
