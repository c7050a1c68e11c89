// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing

@Suite(.tags(.hostile))
struct HostileInputTests {
    /// Headers that claim nearly four billion bytes, elements or pairs.
    @Test(
        arguments: [
            [0xdb, 0xff, 0xff, 0xff, 0xff], [0xc6, 0xff, 0xff, 0xff, 0xff], [0xc9, 0xff, 0xff, 0xff, 0xff, 1],
            [0xdd, 0xff, 0xff, 0xff, 0xff], [0xdf, 0xff, 0xff, 0xff, 0xff], [0xda, 0xff, 0xff], [0xc5, 0xff, 0xff],
            [0xc8, 0xff, 0xff, 1], [0xdc, 0xff, 0xff], [0xde, 0xff, 0xff], [0xd9, 0xff], [0xc4, 0xff], [0xc7, 0xff, 1],
        ] as [[UInt8]]
    )
    func hugeClaimsAreRefusedBeforeAllocation(header: [UInt8]) throws {
        var decoder = MessagePackDecoder()
        decoder.limits.maximumLength = .max
        decoder.limits.maximumValueCount = .max
        let bytes = header + [0, 0, 0]
        let error = try #require(throws: MessagePackError.self) { try decoder.decode(Value.self, from: bytes) }
        #expect(error.code == .truncated)
        #expect(error.byteOffset == 0)
        let nested = try #require(throws: MessagePackError.self) {
            try decoder.decode(Value.self, from: [0x92, 0x01] + bytes)
        }
        #expect(nested.code == .truncated)
        #expect(nested.byteOffset == 2)
        #expect(nested.codingPath == ["[1]"])
    }

    /// Each claim alone could be true; all of them together cannot.
    @Test func claimsAreAddedUpOverOpenContainers() throws {
        let bytes: [UInt8] = [0x93, 0x93, 0x93, 0, 0, 0]
        let error = try decodingError(Value.self, bytes)
        #expect(error.code == .truncated)
        #expect(error.byteOffset == 1)
        #expect(try Value(decoding: [0x93, 0x92, 0, 0, 0, 0]) == [[0, 0], 0, 0])
    }

    @Test(arguments: [UInt8(0x91), 0x81])
    func deepNestingIsRefused(header: UInt8) throws {
        let level: [UInt8] = header == 0x91 ? [header] : [header, 0x01]
        func nested(_ depth: Int) -> [UInt8] { (0..<depth).flatMap { _ in level } + [0xc0] }
        #expect(throws: Never.self) { try Value(decoding: nested(512)) }
        for depth in [513, 100_000] {
            let error = try #require(throws: MessagePackError.self) { try Value(decoding: nested(depth)) }
            #expect(error.code == .tooDeep)
            #expect(error.byteOffset == 512 * level.count)
        }
    }

    @Test func valuesAreWrittenAsDeepAsTheyCanBeRead() throws {
        struct Box: Codable, Equatable { var value: Value }
        func nested(_ depth: Int) -> Value { (1..<depth).reduce(.array([])) { value, _ in .array([value]) } }
        let encoder = MessagePackEncoder(), decoder = MessagePackDecoder()
        #expect(try decoder.decode(Value.self, from: encoder.encode(nested(512))) == nested(512))
        let box = Box(value: nested(511))
        #expect(try decoder.decode(Box.self, from: encoder.encode(box)) == box)
        let named = ["key": nested(511)]
        #expect(try decoder.decode([String: Value].self, from: encoder.encode(named)) == named)
        #expect(throws: MessagePackError.self) { _ = try encoder.encode(nested(513)) }
        #expect(throws: MessagePackError.self) { _ = try encoder.encode(Box(value: nested(512))) }
        #expect(throws: MessagePackError.self) { _ = try encoder.encode(["key": nested(512)]) }
        #expect(throws: MessagePackError.self) { _ = try encoder.encode(["key": Value.map(["a": nested(511)])]) }
    }

    /// On arrays of one element and on long ones, which are decoded in another way.
    @Test(arguments: [1, 64]) func typesNestAsDeeplyAsTheLimitAllows(width: Int) throws {
        final class Node: Codable {
            var next: [Node]
            init(next: [Node]) { self.next = next }
        }
        var node = Node(next: [])
        let leaf = Node(next: [])
        for _ in 1..<256 { node = Node(next: [node] + [Node](repeating: leaf, count: width - 1)) }
        let bytes = try MessagePackEncoder().encode(node)
        var depth = 0
        var back: Node? = try MessagePackDecoder().decode(Node.self, from: bytes)
        while let next = back {
            depth += 1
            back = next.next.first
        }
        #expect(depth == 256)
        #expect(throws: MessagePackError.self) { try MessagePackEncoder().encode(Node(next: [node])) }
    }

    @Test func depthLimitIsConfigurable() throws {
        var decoder = MessagePackDecoder()
        decoder.limits.maximumDepth = 2
        #expect(try decoder.decode([[Int]].self, from: [0x91, 0x91, 1]) == [[1]])
        let error = try #require(throws: MessagePackError.self) {
            try decoder.decode([[[Int]]].self, from: [0x91, 0x91, 0x90])
        }
        #expect(error.code == .tooDeep)
        #expect(error.byteOffset == 2)
        #expect(error.codingPath == ["[0]", "[0]"])
    }

    @Test func lengthLimitCountsBytesElementsAndPairs() throws {
        var decoder = MessagePackDecoder()
        decoder.limits.maximumLength = 100
        let messages = [
            try MessagePackEncoder().encode(String(repeating: "x", count: 101)),
            try MessagePackEncoder().encode([UInt8](repeating: 0, count: 101)),
            Value.ext(type: 1, [UInt8](repeating: 0, count: 101)).encoded(),
            try MessagePackEncoder().encode([Int](repeating: 0, count: 101)),
            try MessagePackEncoder().encode(Dictionary(uniqueKeysWithValues: (0...100).map { ($0, $0) })),
        ]
        for bytes in messages {
            let error = try #require(throws: MessagePackError.self) { try decoder.decode(Value.self, from: bytes) }
            #expect(error.code == .tooLong)
            #expect(error.byteOffset == 0)
        }
        #expect(throws: Never.self) {
            try decoder.decode([Int].self, from: MessagePackEncoder().encode([Int](repeating: 0, count: 100)))
        }
    }

    @Test func limitsHoldForNumbersAndShortStringsToo() throws {
        let number: [UInt8] = [0xcd, 1, 0], text: [UInt8] = [0xa5] + "short".utf8
        var decoder = MessagePackDecoder()
        #expect(try decoder.decode(Int.self, from: number) == 256)
        #expect(try decoder.decode(String.self, from: text) == "short")
        decoder.limits.maximumByteCount = 2
        var error = try #require(throws: MessagePackError.self) { try decoder.decode(Int.self, from: number) }
        #expect(error.code == .tooManyBytes)
        decoder.limits = MessagePackDecoder.Limits(maximumLength: 4)
        error = try #require(throws: MessagePackError.self) { try decoder.decode(String.self, from: text) }
        #expect(error.code == .tooLong)
        decoder.limits = MessagePackDecoder.Limits(maximumValueCount: 0)
        error = try #require(throws: MessagePackError.self) { try decoder.decode(Int.self, from: number) }
        #expect(error.code == .tooManyValues)
    }

    @Test func valueCountLimitCountsKeysToo() throws {
        var decoder = MessagePackDecoder()
        decoder.limits.maximumValueCount = 5
        #expect(try decoder.decode([Int: Int].self, from: [0x82, 1, 1, 2, 2]) == [1: 1, 2: 2])
        let error = try #require(throws: MessagePackError.self) {
            try decoder.decode(Value.self, from: [0x82, 1, 1, 2, 0x91, 2])
        }
        #expect(error.code == .tooManyValues)
        #expect(error.byteOffset == 4)
        #expect(error.codingPath == ["2"])
    }

    @Test func sizeLimitComesFirst() throws {
        var decoder = MessagePackDecoder()
        decoder.limits.maximumByteCount = 3
        #expect(try decoder.decode([Int].self, from: [0x92, 1, 2]) == [1, 2])
        let error = try #require(throws: MessagePackError.self) {
            try decoder.decode([Int].self, from: [0x93, 1, 2, 3])
        }
        #expect(error.code == .tooManyBytes)
    }

    @Test func noBytesAreNoValue() throws {
        let error = try decodingError(Int?.self, [])
        #expect(error.code == .truncated)
        #expect(error.byteOffset == 0)
    }

    @Test func bytesAfterTheValueAreRefused() throws {
        for bytes in [[0x01, 0x02], [0x91, 0x01, 0xc1], [0xc0, 0xc0]] as [[UInt8]] {
            let error = try decodingError(Value.self, bytes)
            #expect(error.code == .trailingBytes)
            #expect(error.byteOffset == bytes.count - 1)
        }
    }

    static let corpus: [[UInt8]] =
        FormatTests.others.map(\.0) + [
            Value.array(FormatTests.others.map(\.1)).encoded(),
            Value.map(Value.Map(FormatTests.others.map { ($0.1, $0.1) })).encoded(),
            Value.map(["a": ["b": [1, 2.5, "text"], "c": nil], "d": .timestamp(MessagePackTimestamp(seconds: -1))])
                .encoded(),
        ]

    @Test(arguments: corpus)
    func everyTruncationIsRefused(bytes: [UInt8]) throws {
        for count in 0..<bytes.count {
            let error = try decodingError(Value.self, Array(bytes[..<count]))
            #expect(error.code == .truncated)
            #expect(try #require(error.byteOffset) <= count)
        }
    }

    @Test(arguments: corpus)
    func trailingByteIsRefusedAfterEachMessage(bytes: [UInt8]) throws {
        let error = try decodingError(Value.self, bytes + [0])
        #expect(error.code == .trailingBytes)
        #expect(error.byteOffset == bytes.count)
    }

    private struct Everything: Codable {
        var number: Int
        var text: String?
        var list: [Double]
        var blob: [UInt8]
        var nested: [String: [Int: Bool]]
        var children: [Everything]
    }

    /// Random changes to real messages: each decodes or throws, as a value and as a type, and what decodes survives
    /// another round.
    @Test func mutatedMessagesDecodeOrThrow() throws {
        let seed = UInt64.random(in: .min ... .max)
        var generator = SeededGenerator(seed: seed)
        let leaf = Everything(number: 1, list: [1.5], blob: [1], nested: ["a": [1: true]], children: [])
        let sample = Everything(
            number: -5,
            text: "héllo",
            list: [1, 2.5],
            blob: [1, 2, 3],
            nested: ["x": [:], "y": [7: false]],
            children: [leaf, leaf]
        )
        var sources = Self.corpus + [try MessagePackEncoder().encode(sample)]
        for _ in 0..<10 { sources.append(Value.random(depth: 3, using: &generator).encoded()) }
        var decoded = 0
        for _ in 0..<20_000 {
            var bytes = sources.randomElement(using: &generator) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[place] = .random(in: 0...255, using: &generator)
                case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 2: bytes.remove(at: place)
                default: bytes.insert(.random(in: 0x80...0xdf, using: &generator), at: place)
                }
            }
            if let value = try? Value(decoding: bytes) {
                decoded += 1
                #expect(try Value(decoding: value.encoded()) == value, "seed \(seed), bytes \(bytes)")
            }
            _ = try? MessagePackDecoder().decode(Everything.self, from: bytes)
            _ = try? MessagePackDecoder().decode([String: Value].self, from: bytes)
        }
        #expect(decoded > 100, "seed \(seed): too few mutations left a message whole")
    }

    /// Without a table, 600,000 look-ups among 1,200,000 pairs take hours.
    @Test(.timeLimit(.minutes(5))) func keysOfBothKindsAndRepeatedOnesStayCheap() throws {
        let half = 300_000
        let count = UInt32(half * 4)
        var bytes = [0xdf] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) }
        for round in 0..<2 {
            for number in 0..<half {
                bytes += Value.int(Int64(number)).encoded() + Value.int(Int64(round)).encoded()
                bytes += Value.string("key \(number)").encoded() + Value.int(Int64(round)).encoded()
            }
        }
        let decoded = try MessagePackDecoder().decode([String: UInt8].self, from: bytes)
        #expect(decoded.count == half * 2)
        #expect(decoded.values.allSatisfy { $0 == 1 })
        let numbers = try MessagePackDecoder().decode([String: Int].self, from: bytes)
        #expect(numbers == decoded.mapValues(Int.init))
    }

    /// Blocks that a hash which only multiplies and shifts cannot tell apart: 131,072 keys of 272 bytes.
    ///
    /// With such a hash each is compared with all others, which takes minutes.
    @Test(.timeLimit(.minutes(1))) func preparedKeysStayCheap() throws {
        func block(_ words: UInt64...) -> [UInt8] {
            words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
        }
        let count = 17, blocks = [block(0, 0), block(1 << 63, 1 << 63 ^ 1 << 34)]
        var bytes: [UInt8] = [0xdf, 0, 2, 0, 0]
        for number in 0..<1 << count {
            bytes += [0xda, 1, 16]
            for place in 0..<count { bytes += blocks[number >> place & 1] }
            bytes.append(7)
        }
        struct Nothing: Decodable { var absent: Int? }
        #expect(try MessagePackDecoder().decode(Nothing.self, from: bytes).absent == nil)
        #expect(throws: MessagePackError.self) { try MessagePackDecoder().decode(Value.self, from: bytes) }
    }

    /// The second map is to be taken for one like the first, whose key is long.
    @Test(arguments: [32, 33, 63, 64, 95, 127, 128, 160, 191, 255, 256, 300])
    func aKeyIsNotTakenForALongOne(count: Int) throws {
        let long: [UInt8] =
            [0x81, 0xda, UInt8(count >> 8), UInt8(count & 0xff)] + [UInt8](repeating: 0, count: count) + [0]
        for first in UInt8.min ... .max where first != 0xc1 {
            for claimed in UInt8(2)...15 {
                // An array of the two and of zeros; `first` is whatever it is followed by zeros.
                let rest = [0x81, first] + [UInt8](repeating: 0, count: 13)
                let after = try? MessagePackDecoder().decode(SecondMap.self, from: [0x90 | claimed] + long + rest)
                let alone = try? MessagePackDecoder().decode(SecondMap.self, from: [0x90 | claimed, 0x80] + rest)
                #expect(after == alone, "first byte \(first), \(claimed) elements")
                let value = try? MessagePackDecoder().decode([Value].self, from: [0x90 | claimed] + long + rest)
                let other = try? MessagePackDecoder().decode([Value].self, from: [0x90 | claimed, 0x80] + rest)
                #expect(value?.dropFirst() == other?.dropFirst(), "first byte \(first), \(claimed) elements")
            }
        }
    }
}

/// The keys of the second map of an array, and what follows it.
private struct SecondMap: Decodable, Equatable {
    private struct AnyKey: CodingKey {
        let stringValue: String
        let intValue: Int?
        init(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
        init(intValue: Int) { (stringValue, self.intValue) = ("", intValue) }
    }

    let texts: [String]
    let numbers: [Int?]
    let rest: [Int]

    init(from decoder: any Decoder) throws {
        var list = try decoder.unkeyedContainer()
        _ = try list.nestedContainer(keyedBy: AnyKey.self)
        let second = try list.nestedContainer(keyedBy: AnyKey.self)
        (texts, numbers) = (second.allKeys.map(\.stringValue), second.allKeys.map(\.intValue))
        var rest: [Int] = []
        while !list.isAtEnd { rest.append(try list.decode(Int.self)) }
        self.rest = rest
    }
}
