// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing

/// A type whose `encode(to:)` is the closure at hand.
private struct Written: Encodable {
    let body: (any Encoder) throws -> Void
    func encode(to encoder: any Encoder) throws { try body(encoder) }
}

private struct Key: CodingKey, ExpressibleByStringLiteral {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init(stringLiteral value: String) { stringValue = value }
    init?(intValue: Int) { nil }
}

@Suite(.tags(.codable))
struct ContainerTests {
    private func written(_ body: @escaping (any Encoder) throws -> Void) throws -> Value {
        try Value(encoding: Written(body: body))
    }

    @Test func nestedContainersOneAfterTheOther() throws {
        let value = try written { encoder in
            var map = encoder.container(keyedBy: Key.self)
            var inner = map.nestedContainer(keyedBy: Key.self, forKey: "inner")
            try inner.encode(1, forKey: "a")
            var list = inner.nestedUnkeyedContainer(forKey: "list")
            try list.encode("x")
            try list.encodeNil()
            var deep = list.nestedContainer(keyedBy: Key.self)
            try deep.encode(true, forKey: "deep")
            var rows = list.nestedUnkeyedContainer()
            try rows.encode(contentsOf: [1, 2])
            try map.encode(2, forKey: "after")
        }
        #expect(value == ["inner": ["a": 1, "list": ["x", nil, ["deep": true], [1, 2]]], "after": 2])
    }

    @Test func twoNestedContainersWrittenInTurn() throws {
        let value = try written { encoder in
            var map = encoder.container(keyedBy: Key.self)
            var left = map.nestedUnkeyedContainer(forKey: "left")
            var right = map.nestedContainer(keyedBy: Key.self, forKey: "right")
            for number in 0..<40 {
                try left.encode(number)
                try map.encode(number, forKey: Key(stringValue: "m\(number)"))
                try right.encode([number], forKey: Key(stringValue: "r\(number)"))
                if number == 20 {
                    var inner = left.nestedUnkeyedContainer()
                    try right.encode("between", forKey: "note")
                    try inner.encode("late")
                }
            }
            #expect(left.count == 41)
        }
        var expectedLeft = (0..<40).map { Value.int($0) }
        expectedLeft.insert(["late"], at: 21)
        #expect(value["left"] == .array(expectedLeft))
        #expect(value.mapValue?.count == 42)
        #expect(value["m39"] == 39)
        #expect(value["right"]?["r39"] == [39])
        #expect(value["right"]?["note"] == "between")
        #expect(value["right"]?.mapValue?.count == 41)
        #expect(value.mapValue?.keys.prefix(3) == ["left", "right", "m0"])
    }

    @Test func manyPairsWidenTheHeadersAround() throws {
        let value = try written { encoder in
            var outer = encoder.unkeyedContainer()
            for round in 0..<20 {
                var map = outer.nestedContainer(keyedBy: Key.self)
                for number in 0..<(round * 7) { try map.encode(number, forKey: Key(stringValue: "k\(number)")) }
            }
        }
        #expect(value.arrayValue?.count == 20)
        for round in 0..<20 {
            #expect(value[round]?.mapValue?.count == round * 7)
            if round > 0 { #expect(value[round]?["k\(round * 7 - 1)"] == .int(Int64(round * 7 - 1))) }
        }
    }

    @Test func askingTwiceGivesTheSameContainer() throws {
        let value = try written { encoder in
            var first = encoder.container(keyedBy: Key.self)
            try first.encode(1, forKey: "a")
            var second = encoder.container(keyedBy: Key.self)
            try second.encode(2, forKey: "b")
            try first.encode(3, forKey: "c")
        }
        #expect(value == ["a": 1, "b": 2, "c": 3])
    }

    private class Animal: Codable {
        var name: String
        init(name: String) { self.name = name }
    }

    private final class Dog: Animal {
        var tricks: [String]
        private enum CodingKeys: CodingKey { case tricks, base }

        init(name: String, tricks: [String]) {
            self.tricks = tricks
            super.init(name: name)
        }

        required init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            tricks = try container.decode([String].self, forKey: .tricks)
            try super.init(
                from: container.contains(.base) ? container.superDecoder(forKey: .base) : container.superDecoder()
            )
        }

        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            // The superclass writes last, though its place is first.
            let base = tricks.isEmpty ? container.superEncoder(forKey: .base) : container.superEncoder()
            try container.encode(tricks, forKey: .tricks)
            try super.encode(to: base)
        }
    }

    @Test(arguments: [["sit"], []])
    func superclassesHaveTheirOwnPlace(tricks: [String]) throws {
        let dog = Dog(name: "Rex", tricks: tricks)
        let value = try Value(encoding: dog)
        let key = tricks.isEmpty ? "base" : "super"
        #expect(value == [.string(key): ["name": "Rex"], "tricks": .array(tricks.map(Value.string))])
        let back = try roundTrip(dog)
        #expect(back.name == "Rex" && back.tricks == tricks)
    }

    @Test func superEncoderTakesOneValueOrNone() throws {
        let value = try written { encoder in
            var list = encoder.unkeyedContainer()
            let first = list.superEncoder()
            _ = list.superEncoder()
            try list.encode("last")
            var single = first.singleValueContainer()
            try single.encode([1, 2])
        }
        #expect(value == [[1, 2], [:], "last"])
    }

    @Test func nestedContainersAreReadSideBySide() throws {
        struct Reader: Decodable {
            var total = 0
            init(from decoder: any Decoder) throws {
                let map = try decoder.container(keyedBy: Key.self)
                var left = try map.nestedUnkeyedContainer(forKey: "left")
                let right = try map.nestedContainer(keyedBy: Key.self, forKey: "right")
                #expect(left.count == 3 && left.currentIndex == 0)
                while !left.isAtEnd {
                    if try left.decodeNil() { continue }
                    total += try left.decode(Int.self)
                    total += try right.decode(Int.self, forKey: Key(stringValue: "k\(left.currentIndex)"))
                }
                #expect(right.allKeys.map(\.stringValue) == ["k3", "k1"])
                #expect(right.codingPath.map(\.stringValue) == ["right"])
                #expect(map.contains("left") && !map.contains("middle"))
                #expect(try map.decodeNil(forKey: "none"))
                #expect(try map.decodeIfPresent(String.self, forKey: "none") == nil)
                #expect(try map.decodeIfPresent([Int].self, forKey: "middle") == nil)
                let rows = try map.superDecoder(forKey: "left").unkeyedContainer()
                #expect(rows.count == 3)
            }
        }
        let value: Value = ["none": nil, "right": ["k3": 100, "k1": 10], "left": [1, nil, 2]]
        #expect(try value.decode(as: Reader.self).total == 113)
    }

    @Test func codingPathsAreThoseOfTheContainers() throws {
        var paths: [[String]] = []
        struct Inner: Encodable {
            let note: ([String]) -> Void
            func encode(to encoder: any Encoder) throws {
                note(encoder.codingPath.map(\.stringValue))
                var list = encoder.unkeyedContainer()
                var map = list.nestedContainer(keyedBy: Key.self)
                note(map.codingPath.map(\.stringValue))
                let upper = map.superEncoder()
                note(upper.codingPath.map(\.stringValue))
            }
        }
        try withoutActuallyEscaping({ paths.append($0) }) { note in
            _ = try MessagePackEncoder().encode(
                Written { encoder in
                    var map = encoder.container(keyedBy: Key.self)
                    try map.encode([0, 0].map { _ in Inner(note: note) }, forKey: "list")
                }
            )
        }
        #expect(paths[3...] == [["list", "[1]"], ["list", "[1]", "[0]"], ["list", "[1]", "[0]", "super"]])
    }
}
