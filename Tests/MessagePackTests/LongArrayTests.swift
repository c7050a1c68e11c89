// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing

/// Arrays of many elements of the user's own types.
@Suite(.tags(.codable))
struct LongArrayTests {
    struct Point: Codable, Hashable {
        var x: Int
        var name: String?
        init(_ x: Int) { (self.x, name) = (x, x.isMultiple(of: 3) ? nil : "\(x)") }
    }

    @Test(arguments: [0, 1, 15, 16, 63, 64, 65, 1000, 65_535, 65_536])
    func arraysOfAnyLength(count: Int) throws {
        let points = (0..<count).map(Point.init)
        #expect(try roundTrip(points) == points)
        let some = points.map { $0.x.isMultiple(of: 5) ? nil : $0 }
        #expect(try roundTrip(some) == some)
    }

    /// More bytes of elements than room is taken for in advance, and elements that are larger than their messages.
    @Test func elementsOfAnySize() throws {
        struct Wide: Codable, Equatable {
            var a = 1, b: String?, c: String?, d: String?, e: String?, f: String?, g: String?, h: String?
        }
        let wide = [Wide](repeating: Wide(), count: 20_000)
        #expect(MemoryLayout<Wide>.stride * wide.count > 2 << 20)
        #expect(try roundTrip(wide) == wide)
        struct Empty: Codable, Equatable {}
        let empty = [Empty](repeating: Empty(), count: 3000)
        #expect(try roundTrip(empty) == empty)
    }

    @Test func arraysInArraysAndInStructs() throws {
        struct Holder: Codable, Equatable {
            var lists: [[Point]]
            var one: [Point]
        }
        let list = (0..<100).map(Point.init)
        let holder = Holder(lists: [list, [], Array(list.prefix(70))], one: list)
        #expect(try roundTrip([Holder](repeating: holder, count: 80)) == [Holder](repeating: holder, count: 80))
    }

    @Test func otherCollectionsOfManyElements() throws {
        let points = (0..<200).map(Point.init)
        #expect(try roundTrip(Set(points)) == Set(points))
        #expect(try roundTrip(ContiguousArray(points)) == ContiguousArray(points))
        let byNumber = Dictionary(uniqueKeysWithValues: points.map { ($0.x, $0) })
        #expect(try roundTrip(byNumber) == byNumber)
        struct List: Codable, Equatable {
            var points: [Point]
            init(_ points: [Point]) { self.points = points }
            init(from decoder: any Decoder) throws { points = try decoder.singleValueContainer().decode([Point].self) }
            func encode(to encoder: any Encoder) throws {
                var container = encoder.singleValueContainer()
                try container.encode(points)
            }
        }
        #expect(try roundTrip([List(points)]) == [List(points)])
    }

    @Test func anErrorSaysInWhichElement() throws {
        var values = [Value](repeating: ["x": 1], count: 100)
        values[71] = ["x": "one"]
        let error = try decodingError([Point].self, Value.array(values).encoded())
        #expect(error.code == .typeMismatch)
        #expect(error.codingPath == ["[71]", "x"])
        let inner = try decodingError([String: [Point]].self, (["list": .array(values)] as Value).encoded())
        #expect(inner.codingPath == ["list", "[71]", "x"])
        let other = try decodingError(Point.self, Value.array(values).encoded())
        #expect(other.code == .typeMismatch)
        #expect(other.codingPath.isEmpty)
    }
}
