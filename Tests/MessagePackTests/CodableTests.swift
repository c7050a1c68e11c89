// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MessagePack
import Testing

@Suite(.tags(.codable))
struct CodableTests {
    struct Everything: Codable, Equatable {
        var bool = true
        var int = Int.min
        var int8 = Int8.min
        var int16 = Int16.max
        var int32 = Int32.min
        var int64 = Int64.max
        var uint = UInt.max
        var uint8 = UInt8.max
        var uint16 = UInt16.max
        var uint32 = UInt32.max
        var uint64 = UInt64.max
        var float: Float = 0.1
        var double = 0.1
        var string = "naïve – 𝄞"
        var none: Int?
        var some: String? = "here"
        var optionals: [Int?] = [1, nil, 3]
        var list = [[1, 2], [], [3]]
        var names = ["a": 1, "b": 2]
        var numbers = [1: "one", -2: "two"]
        var enums: [Kind: Double] = [.red: 1.5, .green: 2]
        var kind = Kind.green
        var message = Message.reply(id: 7, text: "ok")
        var silent = Message.stop
        var blob: [UInt8] = [0, 1, 255]
        var data = Data([9, 8, 7])
        var date = Date(timeIntervalSinceReferenceDate: 123.456)
        var pair = Pair(first: "x", second: [true, false])
        var set: Set<Int> = [1, 2, 3]
        var range = 1..<5
        var nothing = Nothing()
    }

    struct Nothing: Codable, Equatable {}
    struct Pair<A: Codable & Equatable, B: Codable & Equatable>: Codable, Equatable {
        var first: A
        var second: B
    }
    enum Kind: String, Codable { case red, green }
    enum Message: Codable, Equatable {
        case call(String, [Int])
        case reply(id: Int, text: String?)
        case stop
    }

    @Test func everyKindOfPropertyRoundTrips() throws {
        let value = Everything()
        #expect(try roundTrip(value) == value)
        #expect(try roundTrip([value, value]) == [value, value])
        #expect(try Value(encoding: value).decode(as: Everything.self) == value)
    }

    @Test func structBecomesAMapInOrder() throws {
        let bytes = try MessagePackEncoder().encode(Pair(first: 1, second: "b"))
        #expect(bytes == [0x82, 0xa5] + Array("first".utf8) + [0x01, 0xa6] + Array("second".utf8) + [0xa1, 0x62])
    }

    @Test func emptyStructIsAnEmptyMap() throws {
        #expect(try MessagePackEncoder().encode(Nothing()) == [0x80])
        #expect(try roundTrip(Nothing()) == Nothing())
    }

    @Test func keysMayComeInAnyOrderWithStrangersBetween() throws {
        let value: Value = ["second": ["x": 5], "other": [1, [2, 3], ["k": "v"]], "first": 7, "last": nil]
        #expect(try value.decode(as: Pair<Int, [String: Int]>.self) == Pair(first: 7, second: ["x": 5]))
    }

    @Test func keysMayHaveLongHeaders() throws {
        let bytes: [UInt8] = [0x82, 0xd9, 5] + Array("first".utf8) + [1, 0xda, 0, 6] + Array("second".utf8) + [2]
        #expect(try MessagePackDecoder().decode(Pair<Int, Int>.self, from: bytes) == Pair(first: 1, second: 2))
    }

    @Test func ofEqualKeysTheLastCounts() throws {
        let first: [UInt8] = [0xa5] + Array("first".utf8)
        let second: [UInt8] = [0xa6] + Array("second".utf8)
        let bytes = [0x84] + first + [1] + second + [2] + first + [3] + first + [4]
        #expect(try MessagePackDecoder().decode(Pair<Int, Int>.self, from: bytes) == Pair(first: 4, second: 2))
        #expect(try MessagePackDecoder().decode([String: Int].self, from: bytes) == ["first": 4, "second": 2])
        #expect(try MessagePackDecoder().decode([String: UInt8].self, from: bytes) == ["first": 4, "second": 2])
        #expect(try Value(decoding: bytes) == ["first": 4, "second": 2])
    }

    @Test(arguments: [1, 2, 3, 4, 7, 8, 9, 31])
    func keysAreEqualByTheirBytesWhateverTheirHeaders(count: Int) throws {
        func short(_ key: [UInt8]) -> [UInt8] { [0xa0 | UInt8(key.count)] + key }
        func long(_ key: [UInt8]) -> [UInt8] { [0xda, 0, UInt8(key.count)] + key }
        let key = [UInt8](repeating: 0x6b, count: count), name = String(decoding: key, as: UTF8.self)
        for (first, second) in [(short(key), long(key)), (long(key), short(key)), (short(key), short(key))] {
            let bytes: [UInt8] = [0x82] + first + [1] + second + [2]
            #expect(try MessagePackDecoder().decode(Numbers.self, from: bytes).byName == [name: 2])
            #expect(try Value(decoding: bytes) == [.string(name): 2])
        }
        // Another byte at any place, or one less, is another key.
        var others = [Array(key.dropLast())]
        for place in 0..<count {
            others.append(key)
            others[others.count - 1][place] = 0x6a
        }
        for other in others {
            let expected = [name: 1, String(decoding: other, as: UTF8.self): 2]
            for second in [short(other), long(other)] {
                let bytes: [UInt8] = [0x82] + short(key) + [1] + second + [2]
                #expect(try MessagePackDecoder().decode(Numbers.self, from: bytes).byName == expected)
                #expect(try Value(decoding: bytes).mapValue?.count == 2)
            }
        }
    }

    @Test func aStringAndANumberOfTheSameBitsAreDifferentKeys() throws {
        // What tells the string "a" from others in a table of few keys is this number.
        let bytes: [UInt8] = [0x82, 0xa1, 0x61, 1, 0xcd, 0x61, 0x01, 2]
        #expect(try Value(decoding: bytes) == ["a": 1, 0x6101: 2])
        #expect(try MessagePackDecoder().decode([String: Int].self, from: bytes) == ["a": 1, "24833": 2])
    }

    @Test func manyKeysAreFoundWhetherInOrderOrNot() throws {
        let names = Dictionary(uniqueKeysWithValues: (0..<3000).map { ("key \($0)", UInt16($0)) })
        #expect(try roundTrip(names) == names)
        struct Few: Decodable {
            let last: UInt16
            let first: UInt16
            enum CodingKeys: String, CodingKey { case last = "key 2999", first = "key 0" }
        }
        let few = try MessagePackDecoder().decode(Few.self, from: MessagePackEncoder().encode(names))
        #expect(few.first == 0 && few.last == 2999)
    }

    @Test func integerKeysMatchByTheirNumber() throws {
        enum Numbered: Int, CodingKey { case first = 1, second = 2 }
        struct Item: Decodable, Equatable {
            var first: String
            var second: Bool?
            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: Numbered.self)
                first = try container.decode(String.self, forKey: .first)
                second = try container.decodeIfPresent(Bool.self, forKey: .second)
            }
        }
        let item = try MessagePackDecoder().decode(Item.self, from: [0x82, 2, 0xc3, 1, 0xa1, 0x78])
        #expect(item.first == "x" && item.second == true)
        #expect(
            try MessagePackDecoder().decode([Int: Bool].self, from: [0x82, 2, 0xc3, 0xff, 0xc2]) == [
                2: true, -1: false,
            ]
        )
        #expect(
            try MessagePackDecoder().decode([String: Bool].self, from: [0x82, 2, 0xc3, 0xa1, 0x78, 0xc2]) == [
                "2": true, "x": false,
            ]
        )
        #expect(try roundTrip(["05": 1, "5": 2] as [String: UInt8]) == ["05": 1, "5": 2])
    }

    @Test func otherKeysMakeAnArrayOfKeysAndValues() throws {
        let dictionary = [[1, 2]: "a"]
        #expect(try MessagePackEncoder().encode(dictionary) == [0x92, 0x92, 1, 2, 0xa1, 0x61])
        #expect(try roundTrip(dictionary) == dictionary)
    }

    @Test func optionalsAtTheTopAreNilOrTheValue() throws {
        #expect(try MessagePackEncoder().encode(Int?.none) == [0xc0])
        #expect(try roundTrip(Int?.some(5)) == 5)
        #expect(try roundTrip(Int??.some(.some(5))) == 5)
        #expect(try roundTrip(String?.none) == nil)
        // MessagePack has one nil.
        #expect(try roundTrip(Int??.some(nil)) == Int??.none)
    }

    @Test func blobsAlsoComeFromArraysOfNumbers() throws {
        #expect(try MessagePackDecoder().decode([UInt8].self, from: [0x93, 1, 0xcc, 200, 3]) == [1, 200, 3])
        #expect(try MessagePackDecoder().decode(Data.self, from: [0x93, 1, 0xcc, 200, 3]) == Data([1, 200, 3]))
        #expect(try MessagePackEncoder().encode(Data([1, 2])) == [0xc4, 2, 1, 2])
    }

    @Test func floatingPointTakesAnyNumberItHoldsExactly() throws {
        let decoder = MessagePackDecoder()
        #expect(try decoder.decode(Double.self, from: MessagePackEncoder().encode(Float(1.5))) == 1.5)
        #expect(try decoder.decode(Double.self, from: [0xd0, 0x80]) == -128)
        #expect(try decoder.decode(Float.self, from: MessagePackEncoder().encode(1.5)) == 1.5)
        #expect(try decoder.decode(Float.self, from: MessagePackEncoder().encode(Double.nan)).isNaN)
        #expect(
            try decoder.decode([Double].self, from: [0x93, 1, 0xca, 0x3f, 0xc0, 0, 0, 0xcc, 200]) == [1, 1.5, 200]
        )
        #expect(try decodingError(Float.self, MessagePackEncoder().encode(0.1)).code == .numberOutOfRange)
        #expect(try decodingError(Double.self, MessagePackEncoder().encode(Int.max)).code == .numberOutOfRange)
        #expect(try decodingError(Int.self, MessagePackEncoder().encode(1.0)).code == .typeMismatch)
    }

    @Test func bulkArraysRoundTrip() throws {
        #expect(try roundTrip([Int8.min, -1, 0, .max]) == [.min, -1, 0, .max])
        #expect(try roundTrip([Int16.min, -129, 255, .max]) == [.min, -129, 255, .max])
        #expect(try roundTrip([Int32.min, 65_536, .max]) == [.min, 65_536, .max])
        #expect(try roundTrip([UInt16.min, 256, .max]) == [.min, 256, .max])
        #expect(try roundTrip([UInt32.min, 65_536, .max]) == [.min, 65_536, .max])
        #expect(try roundTrip([UInt.min, .max]) == [.min, .max])
        #expect(try roundTrip([Float.infinity, 0.1, -.pi]) == [.infinity, 0.1, -.pi])
        #expect(try roundTrip([true, false, true]) == [true, false, true])
        #expect(try roundTrip(["", "é", String(repeating: "long", count: 100)]).map(\.utf8.count) == [0, 2, 400])
        let numbers = (0..<100_000).map { Int(truncatingIfNeeded: UInt64($0) &* 0x9e37_79b9_7f4a_7c15) }
        #expect(try roundTrip(numbers) == numbers)
        #expect(try roundTrip(numbers.map(Double.init)) == numbers.map(Double.init))
    }

    @Test func wellKnownDictionariesRoundTrip() throws {
        #expect(try roundTrip(["a": "b"]) == ["a": "b"])
        #expect(try roundTrip(["a": 1.5]) == ["a": 1.5])
        #expect(try roundTrip(["a": true]) == ["a": true])
        #expect(try roundTrip(["a": Value.int(5), "b": nil]) == ["a": .int(5), "b": .nil])
    }

    @Test func rawSixtyFourBitLimitsHoldForWiderIntegers() throws {
        struct Wide: Codable { var number: Int128 }
        #expect(throws: (any Error).self) { try MessagePackEncoder().encode(Wide(number: 1 << 100)) }
        #expect(throws: (any Error).self) { try MessagePackEncoder().encode(UInt128.max) }
        #expect(throws: (any Error).self) { try MessagePackDecoder().decode(Int128.self, from: [0x01]) }
    }

    @Test func userInfoReachesBothSides() throws {
        struct Probe: Codable, Equatable {
            var seen = ""
            init() {}
            init(from decoder: any Decoder) throws {
                let key = try #require(CodingUserInfoKey(rawValue: "key"))
                seen = try #require(decoder.userInfo[key] as? String)
            }
            func encode(to encoder: any Encoder) throws {
                let key = try #require(CodingUserInfoKey(rawValue: "key"))
                var container = encoder.singleValueContainer()
                try container.encode(try #require(encoder.userInfo[key] as? String))
            }
        }
        let key = try #require(CodingUserInfoKey(rawValue: "key"))
        var encoder = MessagePackEncoder()
        encoder.userInfo[key] = "written"
        let bytes = try encoder.encode([Probe()])
        #expect(bytes == [0x91, 0xa7] + Array("written".utf8))
        var decoder = MessagePackDecoder()
        decoder.userInfo[key] = "read"
        #expect(try decoder.decode([Probe].self, from: bytes)[0].seen == "read")
        #expect(try Value(decoding: bytes).decode(as: [Probe].self, userInfo: [key: "value"])[0].seen == "value")
    }

    @Test func decoderThatOutlivesTheCallReadsItsOwnCopy() throws {
        final class Lazily: Decodable {
            let decoder: any Decoder
            init(from decoder: any Decoder) { self.decoder = decoder }
        }
        var lazily: Lazily?
        do {
            var bytes = try MessagePackEncoder().encode(Pair(first: "kept text that is long", second: 5))
            lazily = try bytes.withUnsafeBytes { try MessagePackDecoder().decode(Lazily.self, from: $0) }
            for index in bytes.indices { bytes[index] = 0xc1 }
        }
        let pair = try Pair<String, Int>(from: try #require(lazily).decoder)
        #expect(pair == Pair(first: "kept text that is long", second: 5))
    }
}

/// Numbers by any names, looked up one by one.
private struct Numbers: Decodable {
    struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    let byName: [String: Int]

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Name.self)
        byName = try Dictionary(
            uniqueKeysWithValues: container.allKeys.map { ($0.stringValue, try container.decode(Int.self, forKey: $0)) }
        )
    }
}
