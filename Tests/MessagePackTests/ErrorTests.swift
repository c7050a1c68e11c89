// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MessagePack
import Testing

@Suite(.tags(.codable))
struct ErrorTests {
    struct Person: Codable, Equatable {
        var name: String
        var age: UInt8
        var tags: [String] = []
        var friends: [Person] = []
    }

    /// `{"people": [{"name": "Al", "age": 300}]}` and the like, with the value in question at a known byte.
    static func people(_ person: Value) -> [UInt8] { (["people": [person]] as Value).encoded() }

    struct Expected: Sendable {
        var person: Value
        var code: MessagePackError.Code
        var path: [String]
        var offset: Int
        var message: String
    }

    // The message starts 81 a6 "people" 91, so the person's map is at byte 9 and its first key at byte 10.
    static let cases: [Expected] = [
        Expected(
            person: ["age": 300, "name": "Al"],
            code: .numberOutOfRange,
            path: ["people", "[0]", "age"],
            offset: 14,
            message: "300 does not fit UInt8"
        ),
        Expected(
            person: ["age": "old", "name": "Al"],
            code: .typeMismatch,
            path: ["people", "[0]", "age"],
            offset: 14,
            message: "expected UInt8, found a string"
        ),
        Expected(
            person: ["age": 5, "name": nil],
            code: .valueNotFound,
            path: ["people", "[0]", "name"],
            offset: 20,
            message: "expected String, found nil; decode an optional to allow it"
        ),
        Expected(
            person: ["age": 5],
            code: .keyNotFound,
            path: ["people", "[0]", "name"],
            offset: 9,
            message: "the map has no key \"name\""
        ),
        Expected(
            person: ["name": "Al", "age": 5, "tags": ["a", 2]],
            code: .typeMismatch,
            path: ["people", "[0]", "tags", "[1]"],
            offset: 31,
            message: "expected String, found an integer"
        ),
        Expected(
            person: ["name": "Al", "age": 5, "tags": [:], "friends": []],
            code: .typeMismatch,
            path: ["people", "[0]", "tags"],
            offset: 28,
            message: "expected Array<String>, found a map"
        ),
        Expected(
            person: [1],
            code: .typeMismatch,
            path: ["people", "[0]"],
            offset: 9,
            message: "expected Map, found an array"
        ),
        Expected(
            person: [[1, 2]: 1],
            code: .unsupportedKey,
            path: ["people", "[0]"],
            offset: 10,
            message:
                "a key is an array, where a string or an integer that fits 64 signed bits is needed; decode a Value"
        ),
    ]

    @Test(arguments: cases)
    func errorsNameThePathAndTheByte(expected: Expected) throws {
        let error = try decodingError([String: [Person]].self, Self.people(expected.person))
        #expect(error.code == expected.code)
        #expect(error.codingPath == expected.path)
        #expect(error.byteOffset == expected.offset)
        #expect(error.message == expected.message)
    }

    @Test func descriptionIsOneLine() throws {
        let error = try decodingError([String: [Person]].self, Self.people(["age": 300, "name": "Al"]))
        #expect("\(error)" == #"numberOutOfRange: "300 does not fit UInt8" (at people[0].age, byte 14)"#)
    }

    @Test func invalidTextIsRefusedWhereverItStands() throws {
        for text in [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0xff]]
            as [[UInt8]]
        {
            let string = [0xa0 | UInt8(text.count)] + text
            #expect(try decodingError(String.self, string).code == .invalidText)
            let list = try decodingError([String].self, [0x92, 0xa0] + string)
            #expect(list.code == .invalidText && list.byteOffset == 2 && list.codingPath == ["[1]"])
            let value = try decodingError(Value.self, [0x81, 0xa1, 0x6b, 0x91] + string)
            #expect(value.code == .invalidText && value.byteOffset == 4 && value.codingPath == ["k", "[0]"])
            let key = try decodingError([String: UInt8].self, [0x81] + string + [1])
            #expect(key.code == .invalidText && key.byteOffset == 1)
        }
        #expect(try roundTrip("\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}") != "")
    }

    @Test func nestedContainersAndElementsHavePaths() throws {
        enum Key: CodingKey { case outer }
        struct Reader: Decodable {
            init(from decoder: any Decoder) throws {
                let map = try decoder.container(keyedBy: Key.self)
                var list = try map.nestedUnkeyedContainer(forKey: .outer)
                _ = try list.decode(Int.self)
                var inner = try list.nestedUnkeyedContainer()
                _ = try inner.decode(Bool.self)
                _ = try inner.decode(Bool.self)
            }
        }
        let error = try decodingError(Reader.self, (["outer": [1, [true]]] as Value).encoded())
        #expect(error.code == .endOfArray)
        #expect(error.codingPath == ["outer", "[1]", "[1]"])
        #expect(error.byteOffset == 9)
        let other = try decodingError(Reader.self, (["outer": [1, [7]]] as Value).encoded())
        #expect(other.code == .typeMismatch)
        #expect(other.codingPath == ["outer", "[1]", "[0]"])
        #expect(other.byteOffset == 10)
    }

    private struct Complaint: Error, Equatable { var text: String }

    @Test func errorsOfATypePassUnchanged() throws {
        struct Grumpy: Codable {
            init() {}
            init(from decoder: any Decoder) throws { throw Complaint(text: "reading") }
            func encode(to encoder: any Encoder) throws { throw Complaint(text: "writing") }
        }
        #expect(throws: Complaint(text: "writing")) { try MessagePackEncoder().encode(["a": [Grumpy()]]) }
        #expect(throws: Complaint(text: "reading")) {
            try MessagePackDecoder().decode([String: [Grumpy]].self, from: [0x81, 0xa1, 0x61, 0x91, 0xc0])
        }
    }

    @Test func errorsOfTheStandardLibraryHaveTheCodingPath() throws {
        enum Color: String, Codable { case red }
        let error = try #require(throws: DecodingError.self) {
            try (["a": ["red", "blue"]] as Value).decode(as: [String: [Color]].self)
        }
        guard case .dataCorrupted(let context) = error else {
            Issue.record("unexpected \(error)")
            return
        }
        #expect(context.codingPath.map(\.stringValue) == ["a", "[1]"])
        #expect(context.codingPath.last?.intValue == 1)
    }

    @Test func caughtErrorLeavesTheContainersAsTheyWere() throws {
        struct Careful: Encodable {
            func encode(to encoder: any Encoder) throws {
                enum Key: CodingKey { case good, bad, list }
                var map = encoder.container(keyedBy: Key.self)
                try map.encode(1, forKey: .good)
                #expect(throws: MessagePackError.self) {
                    try map.encode([Date(timeIntervalSinceReferenceDate: .nan)], forKey: .bad)
                }
                var list = map.nestedUnkeyedContainer(forKey: .list)
                #expect(throws: MessagePackError.self) {
                    try list.encode(["x": Date(timeIntervalSinceReferenceDate: .infinity)])
                }
                try list.encode(2)
            }
        }
        #expect(try Value(encoding: Careful()) == ["good": 1, "list": [2]])
    }

    @Test func encodingErrorsNameThePath() throws {
        struct Holder: Encodable { var dates: [String: [Date]] }
        let holder = Holder(dates: [
            "x": [Date(timeIntervalSinceReferenceDate: 0), Date(timeIntervalSinceReferenceDate: .nan)]
        ])
        let error = try #require(throws: MessagePackError.self) { try MessagePackEncoder().encode(holder) }
        #expect(error.code == .unsupportedValue)
        #expect(error.codingPath == ["dates", "x", "[1]"])
        #expect(error.byteOffset == nil)
    }
}
