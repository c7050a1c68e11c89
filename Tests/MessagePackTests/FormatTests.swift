// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing

@Suite(.tags(.wire))
struct FormatTests {
    @Test func positiveFixintsAreTheirOwnByte() throws {
        for byte in UInt8.min...0x7f { #expect(try Value(decoding: [byte]) == .int(Int64(byte))) }
    }

    @Test func negativeFixintsAreTheirOwnByte() throws {
        for byte in UInt8(0xe0)...0xff { #expect(try Value(decoding: [byte]) == .int(Int64(Int8(bitPattern: byte)))) }
    }

    @Test func fixmapsHoldTheirPairs() throws {
        for count in 0..<16 {
            let bytes: [UInt8] = (0..<count).reduce(into: [0x80 | UInt8(count)]) { $0 += [UInt8($1), 0xc0] }
            let expected = Value.Map((0..<count).map { (.int(Int64($0)), .nil) })
            #expect(try Value(decoding: bytes) == .map(expected))
        }
    }

    @Test func fixarraysHoldTheirElements() throws {
        for count in 0..<16 {
            let bytes = [0x90 | UInt8(count)] + [UInt8](repeating: 0xc3, count: count)
            #expect(try Value(decoding: bytes) == .array(Array(repeating: true, count: count)))
        }
    }

    @Test func fixstringsHoldTheirText() throws {
        for count in 0..<32 {
            let bytes = [0xa0 | UInt8(count)] + [UInt8](repeating: 0x78, count: count)
            #expect(try Value(decoding: bytes) == .string(String(repeating: "x", count: count)))
        }
    }

    /// One message for each of the bytes 0xc0 to 0xdf, but for 0xc1.
    static let others: [([UInt8], Value)] = [
        ([0xc0], nil),
        ([0xc2], false),
        ([0xc3], true),
        ([0xc4, 2, 7, 8], .binary([7, 8])),
        ([0xc5, 0, 2, 7, 8], .binary([7, 8])),
        ([0xc6, 0, 0, 0, 2, 7, 8], .binary([7, 8])),
        ([0xc7, 3, 0xfe, 1, 2, 3], .ext(type: -2, [1, 2, 3])),
        ([0xc8, 0, 3, 5, 1, 2, 3], .ext(type: 5, [1, 2, 3])),
        ([0xc9, 0, 0, 0, 3, 5, 1, 2, 3], .ext(type: 5, [1, 2, 3])),
        ([0xca, 0x3f, 0xc0, 0, 0], .float(1.5)),
        ([0xcb, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0], -1.5),
        ([0xcc, 0xff], 255),
        ([0xcd, 0x01, 0x02], 258),
        ([0xce, 0xff, 0xff, 0xff, 0xff], 4_294_967_295),
        ([0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], .uint(.max)),
        ([0xd0, 0x80], -128),
        ([0xd1, 0x80, 0x00], -32_768),
        ([0xd2, 0x80, 0, 0, 0], -2_147_483_648),
        ([0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], .int(.min)),
        ([0xd4, 1, 9], .ext(type: 1, [9])),
        ([0xd5, 1, 9, 9], .ext(type: 1, [9, 9])),
        ([0xd6, 1, 9, 9, 9, 9], .ext(type: 1, [9, 9, 9, 9])),
        ([0xd7, 1] + [UInt8](repeating: 9, count: 8), .ext(type: 1, [UInt8](repeating: 9, count: 8))),
        ([0xd8, 1] + [UInt8](repeating: 9, count: 16), .ext(type: 1, [UInt8](repeating: 9, count: 16))),
        ([0xd9, 2, 0x68, 0x69], "hi"),
        ([0xda, 0, 2, 0x68, 0x69], "hi"),
        ([0xdb, 0, 0, 0, 2, 0x68, 0x69], "hi"),
        ([0xdc, 0, 2, 1, 2], [1, 2]),
        ([0xdd, 0, 0, 0, 2, 1, 2], [1, 2]),
        ([0xde, 0, 1, 1, 2], [1: 2]),
        ([0xdf, 0, 0, 0, 1, 1, 2], [1: 2]),
    ]

    @Test(arguments: others)
    func otherBytesStartTheirFormats(bytes: [UInt8], value: Value) throws {
        #expect(try Value(decoding: bytes) == value)
        #expect(try MessagePackDecoder().decode(Value.self, from: bytes) == value)
    }

    @Test func everyOtherByteIsCovered() {
        #expect(Set(Self.others.map { $0.0[0] }) == Set(0xc0...0xdf).subtracting([0xc1]))
    }

    @Test func reservedByteIsRefused() throws {
        let error = try decodingError(Value.self, [0x92, 0x01, 0xc1])
        #expect(error.code == .reservedByte)
        #expect(error.codingPath == ["[1]"])
        #expect(error.byteOffset == 2)
    }

    static let smallestIntegers: [(Value, [UInt8])] = [
        (0, [0x00]), (127, [0x7f]), (128, [0xcc, 0x80]), (255, [0xcc, 0xff]), (256, [0xcd, 0x01, 0x00]),
        (65_535, [0xcd, 0xff, 0xff]), (65_536, [0xce, 0, 1, 0, 0]), (4_294_967_295, [0xce, 0xff, 0xff, 0xff, 0xff]),
        (4_294_967_296, [0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
        (.int(.max), [0xcf, 0x7f] + [UInt8](repeating: 0xff, count: 7)),
        (.uint(.max), [0xcf] + [UInt8](repeating: 0xff, count: 8)), (-1, [0xff]), (-32, [0xe0]), (-33, [0xd0, 0xdf]),
        (-128, [0xd0, 0x80]), (-129, [0xd1, 0xff, 0x7f]), (-32_768, [0xd1, 0x80, 0x00]),
        (-32_769, [0xd2, 0xff, 0xff, 0x7f, 0xff]), (-2_147_483_648, [0xd2, 0x80, 0, 0, 0]),
        (-2_147_483_649, [0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]),
        (.int(.min), [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ]

    @Test(arguments: smallestIntegers)
    func integersTakeTheFewestBytes(value: Value, bytes: [UInt8]) throws {
        #expect(value.encoded() == bytes)
        if let number = value.intValue {
            #expect(try MessagePackEncoder().encode(number) == bytes)
            #expect(try MessagePackEncoder().encode([number]) == [0x91] + bytes)
            #expect(try MessagePackDecoder().decode(Int.self, from: bytes) == number)
            #expect(try MessagePackDecoder().decode([Int].self, from: [0x91] + bytes) == [number])
        }
        if let number = value.uintValue {
            #expect(try MessagePackEncoder().encode(number) == bytes)
            #expect(try MessagePackEncoder().encode([number]) == [0x91] + bytes)
            #expect(try MessagePackDecoder().decode(UInt64.self, from: bytes) == number)
            #expect(try MessagePackDecoder().decode([UInt64].self, from: [0x91] + bytes) == [number])
        }
    }

    @Test(
        arguments: [
            (0, [0xa0]), (31, [0xbf]), (32, [0xd9, 32]), (255, [0xd9, 255]), (256, [0xda, 1, 0]),
            (65_535, [0xda, 255, 255]), (65_536, [0xdb, 0, 1, 0, 0]),
        ] as [(Int, [UInt8])]
    )
    func stringsTakeTheShortestHeader(count: Int, header: [UInt8]) throws {
        let text = String(repeating: "x", count: count)
        let expected = header + [UInt8](repeating: 0x78, count: count)
        #expect(Value.string(text).encoded() == expected)
        #expect(try MessagePackEncoder().encode(text) == expected)
        #expect(try MessagePackDecoder().decode(String.self, from: expected) == text)
    }

    @Test(
        arguments: [
            (0, [0xc4, 0]), (255, [0xc4, 255]), (256, [0xc5, 1, 0]), (65_535, [0xc5, 255, 255]),
            (65_536, [0xc6, 0, 1, 0, 0]),
        ] as [(Int, [UInt8])]
    )
    func blobsTakeTheShortestHeader(count: Int, header: [UInt8]) throws {
        let blob = [UInt8](repeating: 5, count: count)
        #expect(Value.binary(blob).encoded() == header + blob)
        #expect(try MessagePackEncoder().encode(blob) == header + blob)
        #expect(try MessagePackDecoder().decode([UInt8].self, from: header + blob) == blob)
    }

    @Test(
        arguments: [
            (0, [0xc7, 0, 7]), (1, [0xd4, 7]), (2, [0xd5, 7]), (3, [0xc7, 3, 7]), (4, [0xd6, 7]), (5, [0xc7, 5, 7]),
            (8, [0xd7, 7]), (16, [0xd8, 7]), (17, [0xc7, 17, 7]), (255, [0xc7, 255, 7]), (256, [0xc8, 1, 0, 7]),
            (65_535, [0xc8, 255, 255, 7]), (65_536, [0xc9, 0, 1, 0, 0, 7]),
        ] as [(Int, [UInt8])]
    )
    func extensionsTakeTheShortestHeader(count: Int, header: [UInt8]) throws {
        let payload = [UInt8](repeating: 5, count: count)
        #expect(Value.ext(type: 7, payload).encoded() == header + payload)
        #expect(try Value(decoding: header + payload) == .ext(type: 7, payload))
    }

    @Test(arguments: [0, 1, 15, 16, 65_535, 65_536])
    func containersTakeTheShortestHeader(count: Int) throws {
        func header(_ fix: UInt8, _ two: UInt8) -> [UInt8] {
            count < 16
                ? [fix | UInt8(count)]
                : count < 65_536
                    ? [two, UInt8(count >> 8), UInt8(count & 255)] : [two + 1, 0, UInt8(count >> 16), 0, 0]
        }
        let array = header(0x90, 0xdc) + [UInt8](repeating: 1, count: count)
        #expect(Value.array(Array(repeating: 1, count: count)).encoded() == array)
        #expect(try MessagePackEncoder().encode([Int](repeating: 1, count: count)) == array)
        #expect(try MessagePackEncoder().encode([Int?](repeating: 1, count: count)) == array)
        let map = Value.Map((0..<count).map { (.int(Int64($0)), .nil) })
        #expect(Array(Value.map(map).encoded().prefix(5)).starts(with: header(0x80, 0xde)))
        let names = Dictionary(uniqueKeysWithValues: (0..<count).map { (String($0), Int?.none) })
        #expect(Array(try MessagePackEncoder().encode(names).prefix(5)).starts(with: header(0x80, 0xde)))
        #expect(try roundTrip(names) == names)
    }

    @Test func appendingKeepsWhatIsThere() throws {
        var buffer: [UInt8] = [1, 2]
        try MessagePackEncoder().encode("a", into: &buffer)
        try MessagePackEncoder().encode(["k": [true]], into: &buffer)
        #expect(buffer == [1, 2, 0xa1, 0x61, 0x81, 0xa1, 0x6b, 0x91, 0xc3])
    }

    @Test func bytesComeFromArraysSlicesAndMemory() throws {
        let bytes: [UInt8] = [0xff, 0x92, 1, 2, 0xff]
        let decoder = MessagePackDecoder()
        #expect(try decoder.decode([Int].self, from: bytes[1..<4]) == [1, 2])
        #expect(try bytes[1..<4].withUnsafeBytes { try decoder.decode([Int].self, from: $0) } == [1, 2])
        #expect(try decoder.decode([Int].self, from: bytes[1..<4].span.bytes) == [1, 2])
    }
}
