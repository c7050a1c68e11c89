// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing
import ZProcCore

/// What is written and read by hand is MessagePack, as the encoder writes it.
@Suite struct FieldTests {
    static let counts = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536]

    @Test(arguments: counts)
    func listsOfAllSizesComeBackAsTheyWent(_ count: Int) throws {
        let texts = (0..<count).map { "\($0)" }
        let written = FieldWriter.bytes(count: 2) { writer in
            writer.append(texts)
            writer.append(arrayOf: count)
            for number in 0..<count { writer.append(UInt64(number)) }
        }
        let numbers = (0..<count).map { Value.uint(UInt64($0)) }
        #expect(written == Value.array([.array(texts.map { .string($0) }), .array(numbers)]).encoded())
        // A part of something larger, as arguments are.
        var reader = FieldReader(bytes: ([0xff, 0xff, 0xff] + written)[3...])
        try reader.readArrayHeader(of: 2)
        let readTexts = try reader.readStrings(), readCount = try reader.readArrayHeader()
        #expect(readTexts == texts)
        #expect(readCount == count)
        for number in 0..<count where try reader.readUInt() != number { Issue.record("\(number) is another number") }
        try reader.finish()
    }

    @Test(arguments: counts)
    func textsAndBytesOfAllSizesComeBackAsTheyWent(_ count: Int) throws {
        let text = String(repeating: "x", count: count), bytes = [UInt8](repeating: 7, count: count)
        let written = FieldWriter.bytes(count: 5, first: UInt64(count)) { writer in
            writer.append(text)
            writer.append(bytes)
            writer.append(count.isMultiple(of: 2))
            writer.appendNil()
        }
        let value: Value = [.uint(UInt64(count)), .string(text), .binary(bytes), .bool(count.isMultiple(of: 2)), nil]
        #expect(written == value.encoded())
        var reader = FieldReader(bytes: ([0xff] + written)[1...])
        try reader.readArrayHeader(of: 5)
        let number = try reader.readUInt(), readText = try reader.readString(), readBytes = try reader.readBinary()
        let flag = try reader.readBool(), isNil = reader.readNil()
        #expect(number == UInt64(count))
        #expect(readText == text)
        #expect(readBytes == bytes)
        #expect(flag == count.isMultiple(of: 2))
        #expect(isNil)
        #expect(reader.rest.isEmpty)
        try reader.finish()
    }

    @Test func aSmallPartDoesNotKeepTheWhole() throws {
        for (small, large) in [(10, 1_000), (1_000, 10)] {
            let written = FieldWriter.bytes(count: 2) { writer in
                writer.append([UInt8](repeating: 1, count: small))
                writer.append([UInt8](repeating: 2, count: large)[...])
            }
            var reader = FieldReader(bytes: written)
            try reader.readArrayHeader(of: 2)
            let first = try reader.readLargeBinary(), second = try reader.readLargeBinary()
            try reader.finish()
            #expect(first == [UInt8](repeating: 1, count: small)[...])
            #expect(second == [UInt8](repeating: 2, count: large)[...])
            // One of its own begins at 0.
            #expect((first.startIndex == 0) == (small < large))
            #expect((second.startIndex == 0) == (large < small))
        }
    }

    /// Nobody sets memory aside for what is claimed.
    @Test func noArrayHasMoreElementsThanThereAreBytes() throws {
        for header: [UInt8] in [
            [0x92], [0xdc, 0, 2], [0xdd, 0, 0, 0, 2], [0xdd, 0xff, 0xff, 0xff, 0xff], [0xdc, 1],
        ] {
            var reader = FieldReader(bytes: header + [0xa0])
            let error = try #require(throws: TransportError.self) { try reader.readArrayHeader() }
            #expect(error.code == .malformed)
        }
        var reader = FieldReader(bytes: [0x92, 0xa0, 0xa0])
        #expect(throws: TransportError.self) { try reader.readStrings(atMost: 1) }
    }

    @Test(
        arguments: [
            [0xa1, 0xff], [0xa2, 0xc0, 0x80], [0xd9, 2, 0x61], [0xda, 0, 1], [0xdb, 0xff, 0xff, 0xff, 0xff], [5], [],
        ] as [[UInt8]]
    )
    func whatIsNoTextIsMalformed(_ bytes: [UInt8]) throws {
        var reader = FieldReader(bytes: bytes)
        let error = try #require(throws: TransportError.self) { try reader.readString() }
        #expect(error.code == .malformed)
    }

    @Test func offsetsCountFromTheStartOfThePart() throws {
        let whole: [UInt8] = [0xff, 0xff, 0x92, 0xce, 0, 1, 0, 0, 0xc0, 0xff]
        var reader = FieldReader(bytes: whole[2..<9])
        try reader.readArrayHeader(of: 2)
        let number = try reader.readUInt()
        #expect(number == 65_536)
        #expect(reader.rest == [0xc0])
        let error = try #require(throws: TransportError.self) { try reader.readUInt() }
        #expect(error.message.contains("at byte 7"))
        let end = try #require(throws: TransportError.self) { try reader.readUInt() }
        #expect(end.message.contains("the end"))
        var short = FieldReader(bytes: whole[2..<6])
        try short.readArrayHeader(of: 2)
        #expect(throws: TransportError.self) { try short.readUInt() }
        #expect(throws: TransportError.self) { try short.finish() }
    }
}
