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

    /// Small values are read without a decoder; nobody may notice, whatever the bytes.
    @Test func smallValuesAreReadAsADecoderReadsThem() {
        func compare<T: Codable & Equatable>(_ type: T.Type, _ bytes: [UInt8]) {
            let short = Result { try EncodedValue(unchecked: bytes).decode(type) }
            let long = Result { try MessagePackDecoder().decode(type, from: bytes) }
            switch (short, long) {
            case (.success(let value), .success(let other)):
                // Not a number is not equal to itself.
                #expect(value == other || "\(value)" == "\(other)", "\(type) of \(bytes)")
            case (.failure(let error), .failure(let other)):
                #expect((error as? MessagePackError) == (other as? MessagePackError), "\(type) of \(bytes)")
                #expect(error is MessagePackError)
            default: Issue.record("\(type) of \(bytes): \(short), and by a decoder \(long)")
            }
        }
        func compareAll<each T: Codable & Equatable>(_ type: repeat (each T).Type, with bytes: [UInt8]) {
            repeat compare(each type, bytes)
            repeat compare(Optional<each T>.self, bytes)
        }
        for first in UInt8.min ... .max {
            let counts: [Int] =
                switch first {
                // A short string has as many bytes more as its first byte says.
                case 0xa0...0xbf: [Int(first & 0x1f), Int(first & 0x1f) + 1, Int(first & 0x1f) + 2]
                case 0xc0...0xdf: [1, 2, 3, 5, 9, 10]
                default: [0, 1, 2]
                }
            for count in counts {
                for rest in [0x41, 0xff] as [UInt8] {
                    let bytes = count == 0 ? [] : [first] + [UInt8](repeating: rest, count: count - 1)
                    compareAll(Bool.self, Int.self, Int8.self, Int16.self, Int32.self, Int64.self, with: bytes)
                    compareAll(UInt.self, UInt8.self, UInt16.self, UInt32.self, UInt64.self, with: bytes)
                    compareAll(Float.self, Double.self, String.self, [UInt8].self, Data.self, with: bytes)
                    compareAll(Date.self, MessagePackTimestamp.self, Value.self, [Int].self, with: bytes)
                }
            }
        }
    }

    @Test func listsOfThemAreListsOfValues() throws {
        let values: [Value] = [5, "text", nil, [1, [2, ["a": .binary([1])]]], ["x": [:]], .ext(type: 1, [1])]
        for count in [0, 1, 6, 15, 16, 70_000] {
            let list = (0..<count).map { values[$0 % values.count] }
            let encoded = try list.map { try EncodedValue(encoding: $0) }
            let bytes = try MessagePackEncoder().encode(encoded)
            #expect(bytes == Value.array(list).encoded())
            #expect(try MessagePackDecoder().decode([EncodedValue].self, from: bytes) == encoded)
            #expect(
                try roundTripAs(Envelope<[EncodedValue]>.self, Envelope(id: 1, payload: list, after: [true])).payload
                    == encoded
            )
        }
        let error = try #require(throws: MessagePackError.self) {
            try MessagePackDecoder().decode([EncodedValue].self, from: [0xa1, 0x61])
        }
        #expect(error.code == .typeMismatch)
    }

    @Test func listsOfBytesAreListsOfBinary() throws {
        // From what is written in a buffer on the way to what is written where it stays.
        for sizes in [
            [], [0], [3, 0, 5], [300, 70_000], [16_374], [16_375], [16_384], Array(repeating: 2_000, count: 40),
        ] {
            let blobs = sizes.enumerated().map {
                [UInt8](repeating: UInt8(truncatingIfNeeded: $0.offset), count: $0.element)
            }
            let bytes = try MessagePackEncoder().encode(blobs)
            #expect(bytes == Value.array(blobs.map { .binary($0) }).encoded())
            #expect(try MessagePackDecoder().decode([[UInt8]].self, from: bytes) == blobs)
            for blob in blobs { #expect(try MessagePackEncoder().encode(blob) == Value.binary(blob).encoded()) }
            var appended: [UInt8] = [1]
            try MessagePackEncoder().encode(blobs, into: &appended)
            #expect(appended == [1] + bytes)
        }
        // Bytes may come as numbers.
        let mixed: Value = [.binary([1, 2]), [3, 4], []]
        #expect(try MessagePackDecoder().decode([[UInt8]].self, from: mixed.encoded()) == [[1, 2], [3, 4], []])
        let wrong: Value = [.binary([1]), [3, 256]]
        let error = try #require(throws: MessagePackError.self) {
            try MessagePackDecoder().decode([[UInt8]].self, from: wrong.encoded())
        }
        #expect(error.code == .numberOutOfRange)
        #expect(error.codingPath == ["[1]", "[1]"])
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
