// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MessagePack
import Testing

@Suite(.tags(.wire))
struct ValueTests {
    @Test func randomTreesRoundTrip() throws {
        let seed = UInt64.random(in: .min ... .max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let value = Value.random(depth: 4, using: &generator)
            let bytes = value.encoded()
            let back = try Value(decoding: bytes)
            #expect(back == value, "seed \(seed)")
            #expect(back.hashValue == value.hashValue, "seed \(seed)")
            #expect(back.encoded() == bytes, "seed \(seed)")
            #expect(try MessagePackEncoder().encode(value) == bytes, "seed \(seed)")
            #expect(try MessagePackDecoder().decode(Value.self, from: bytes) == value, "seed \(seed)")
        }
    }

    @Test func integersAreEqualWhateverTheirWidth() throws {
        let forms: [[UInt8]] = [
            [5], [0xcc, 5], [0xcd, 0, 5], [0xce, 0, 0, 0, 5], [0xcf, 0, 0, 0, 0, 0, 0, 0, 5], [0xd0, 5], [0xd1, 0, 5],
            [0xd2, 0, 0, 0, 5], [0xd3, 0, 0, 0, 0, 0, 0, 0, 5],
        ]
        for bytes in forms { #expect(try Value(decoding: bytes) == 5) }
        #expect(Value.uint(5) == .int(5) && Value.uint(5).hashValue == Value.int(5).hashValue)
        #expect(Value.uint(.max) != .int(-1))
        #expect(Value(UInt64(5)) == 5 && Value(UInt64.max) == .uint(.max))
    }

    @Test func mapsAreEqualInAnyOrder() {
        let one: Value = ["a": 1, "b": [2], "c": nil]
        let other: Value = ["c": nil, "a": 1, "b": [2]]
        #expect(one == other && one.hashValue == other.hashValue)
        #expect(one != ["c": nil, "a": 2, "b": [2]])
        #expect(one != ["a": 1, "b": [2]])
        #expect(one.encoded() != other.encoded())
        #expect(Set([one, other]).count == 1)
    }

    @Test func notANumberEqualsItself() {
        #expect(Value.double(.nan) == .double(-.nan) && Value.double(.nan).hashValue == Value.double(-.nan).hashValue)
        #expect(Value.float(.nan) == .float(.nan))
        #expect(Value.double(0) == .double(-0.0))
        #expect(Value.float(1.5) != .double(1.5))
    }

    @Test func anyValueCanBeAKey() throws {
        let value: Value = [nil: 1, true: 2, [1, 2]: 3, ["k": "v"]: 4, 1.5: 5, .binary([1]): 6]
        let back = try Value(decoding: value.encoded())
        #expect(back == value)
        #expect(back[[1, 2] as Value] == 3 && back[["k": "v"] as Value] == 4 && back[.nil] == 1)
    }

    @Test func accessorsGiveWhatFits() {
        let value: Value = ["list": [1, "two", 3.5], "big": .uint(.max), "no": nil]
        #expect(value["list"]?[0]?.intValue == 1)
        #expect(value["list"]?[1]?.stringValue == "two")
        #expect(value["list"]?[2]?.doubleValue == 3.5)
        #expect(value["list"]?[3] == nil)
        #expect(value["list"]?[-1] == nil)
        #expect(value["none"] == nil)
        #expect(value[0] == nil)
        #expect(value["big"]?.uintValue == .max && value["big"]?.intValue == nil)
        #expect(value["no"]?.isNil == true)
        #expect(Value.bool(true).boolValue == true && Value.int(1).boolValue == nil)
        #expect(Value.binary([1]).binaryValue == [1] && value["list"]?.arrayValue?.count == 3)
        #expect(value.mapValue?.keys == ["list", "big", "no"])
        #expect(Value.int(.max).doubleValue == nil && Value.float(0.5).doubleValue == 0.5)
        #expect((["a": 1, 7: 2] as Value)[7] == 2)
    }

    @Test func mapsChangeByKey() {
        var map: Value.Map = ["a": 1, "b": 2, "a": 3]
        #expect(map.map(\.value) == [3, 2])
        map["b"] = nil
        map["c"] = 4
        map["a"] = .nil
        #expect(map == ["a": nil, "c": 4] && map.values == [nil, 4])
    }

    @Test func descriptionReadsLikeSource() {
        let value: Value = ["a": [1, -2.5, "x", nil, true], 5: [:], "t": .ext(type: 3, [1, 2])]
        #expect(value.description == #"["a": [1, -2.5, "x", nil, true], 5: [:], "t": ext(3, 2 bytes)]"#)
        #expect(Value.binary([1, 2]).description == "binary(2 bytes)")
    }

    @Test func valuesTakeAndGiveAnyCodable() throws {
        struct Point: Codable, Equatable {
            var x: Int
            var more: Value
        }
        let point = Point(x: 1, more: ["k": .binary([1])])
        let value = try Value(encoding: point)
        #expect(value == ["x": 1, "more": ["k": .binary([1])]])
        #expect(try value.decode(as: Point.self) == point)
        #expect(try Value.int(5).decode() as Int == 5)
        let error = try #require(throws: MessagePackError.self) { try value.decode(as: [Int].self) }
        #expect(error.code == .typeMismatch)
    }

    @Test func valuesTravelThroughOtherFormats() throws {
        let value: Value = ["a": [1, 2.5, "x", nil, true, -3], "b": ["c": .uint(.max)]]
        let json = try JSONEncoder().encode(value)
        #expect(try JSONDecoder().decode(Value.self, from: json) == value)
        let odd: Value = [1: .binary([1, 2]), 2: .ext(type: 1, [3]), 3: .timestamp(MessagePackTimestamp(seconds: 4))]
        let text = try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(odd))
        #expect(text == [1, [1, 2], 2, ["type": 1, "payload": [3]], 3, ["seconds": 4, "nanoseconds": 0]])
    }
}
