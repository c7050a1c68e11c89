// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Foundation

struct Point: Codable, Sendable, Equatable {
    var x: Double
    var name: String
}

struct Nested: Codable, Sendable, Equatable {
    struct Inner: Codable, Sendable, Equatable { var points: [Point], flags: Set<Int> }
    var inner: Inner
    var byName: [String: Inner]
    var maybe: Inner?
}

enum Shape: Codable, Sendable, Equatable {
    case circle(radius: Double), square(Int), empty
    indirect case group([Shape], around: Shape)
}

enum Level: String, Codable, Sendable { case low, high }

struct OnlyArray: Codable, Sendable, Equatable { var items: [String] }

struct Nothing: Codable, Sendable, Equatable {}

final class Box: Codable, Sendable {
    let value: Int
    init(value: Int) { self.value = value }
}

class Animal: Codable, @unchecked Sendable {
    let legs: Int
    init(legs: Int) { self.legs = legs }
}

final class GenericBox<T: Codable & Sendable>: Codable, Sendable {
    let value: T
    init(value: T) { self.value = value }
}

/// Captured values, alone and among others.
public let valueCorpus: [CorpusCase] = [
    CorpusCase("no capture") { try expect(await $0.call { 42 }, 42) },
    CorpusCase("integers of every width") { traveller in
        let a = opaque(Int8.min), b = opaque(UInt8.max), c = opaque(Int16.min), d = opaque(UInt16.max)
        let e = opaque(Int32.min), f = opaque(UInt32.max), g = opaque(Int.min), h = opaque(UInt.max), i = opaque(true)
        let text = try await traveller.call { "\(a) \(b) \(c) \(d) \(e) \(f) \(g) \(h) \(i)" }
        try expect(text, "-128 255 -32768 65535 -2147483648 4294967295 \(Int.min) \(UInt.max) true")
    },
    CorpusCase("a double and a float") { traveller in
        let double = opaque(0.1), float = opaque(Float.pi)
        try expect(await traveller.call { double + Double(float) }, 0.1 + Double(Float.pi))
    },
    CorpusCase("an int alone") { traveller in
        let number = opaque(21)
        try expect(await traveller.call { number * 2 }, 42)
    },
    CorpusCase("a short and a long string") { traveller in
        let short = opaque("hé"), long = opaque(String(repeating: "long ", count: 100))
        try expect(await traveller.call { short + long }, short + long)
    },
    CorpusCase("a string alone") { traveller in
        let text = opaque("hello")
        try expect(await traveller.call { text + "!" }, "hello!")
    },
    CorpusCase("an array alone") { traveller in
        let numbers = opaque([1.5, 2.5])
        try expect(await traveller.call { numbers.reduce(0, +) }, 4)
    },
    CorpusCase("an empty array, dictionary and set, each alone") { traveller in
        let array = opaque([String]()), dictionary = opaque([String: Point]()), set = opaque(Set<String>())
        try expect(await traveller.call { array + ["x"] }, ["x"])
        try expect(await traveller.call { dictionary.merging(["a": Point(x: 1, name: "")]) { $1 }.count }, 1)
        try expect(await traveller.call { set.union(["x"]) }, ["x"])
    },
    CorpusCase("an array of structs alone") { traveller in
        let points = opaque([Point(x: 1, name: "a"), Point(x: 2, name: "b")])
        try expect(await traveller.call { points.map(\.name).joined() }, "ab")
    },
    CorpusCase("a dictionary alone") { traveller in
        let prices = opaque(["tea": 3, "cake": 5])
        try expect(await traveller.call { prices["cake"] ?? 0 }, 5)
    },
    CorpusCase("a dictionary with integer keys alone") { traveller in
        let names = opaque([1: "one", 2: "two"])
        try expect(await traveller.call { names[2] ?? "" }, "two")
    },
    CorpusCase("a set alone") { traveller in
        let set = opaque(Set([1, 2, 3]))
        try expect(await traveller.call { set.contains(2) && !set.contains(9) }, true)
    },
    CorpusCase("a struct around an array alone") { traveller in
        let only = opaque(OnlyArray(items: ["a", "b"]))
        try expect(await traveller.call { only.items.count }, 2)
    },
    CorpusCase("collections among others") { traveller in
        let array = opaque([1, 2]), dictionary = opaque(["a": [1.5]]), set = opaque(Set(["x"])), number = opaque(3)
        let sum = try await traveller.call {
            Double(array.count + set.count + number) + (dictionary["a"]?.first ?? 0)
        }
        try expect(sum, 7.5)
    },
    CorpusCase("optionals") { traveller in
        let some: Int? = opaque(5), none: String? = opaque(nil), box: Box? = opaque(Box(value: 2))
        let nobody: Box? = opaque(nil)
        try expect(await traveller.call { (some ?? 0) + (none?.count ?? 10) + (box?.value ?? 100) }, 17)
        try expect(await traveller.call { box?.value ?? -1 }, 2)
        try expect(await traveller.call { nobody?.value ?? -1 }, -1)
        try expect(await traveller.call { none ?? "none" }, "none")
    },
    CorpusCase("enums") { traveller in
        let shape = opaque(Shape.group([.square(2), .empty], around: .circle(radius: 1))), level = opaque(Level.high)
        try expect(await traveller.call { shape }, shape)
        try expect(await traveller.call { level.rawValue }, "high")
        try expect(await traveller.call { "\(shape)\(level)" }, "\(shape)\(level)")
    },
    CorpusCase("nested structs") { traveller in
        let inner = Nested.Inner(points: [Point(x: .infinity, name: "∞")], flags: [1, 2])
        let nested = opaque(Nested(inner: inner, byName: ["k": inner], maybe: nil))
        try expect(await traveller.call { nested }, nested)
    },
    CorpusCase("an empty struct") { traveller in
        let nothing = opaque(Nothing()), number = opaque(1)
        try expect(await traveller.call { nothing }, Nothing())
        try expect(await traveller.call { [nothing].count + number }, 2)
    },
    CorpusCase("dates, data, URLs and UUIDs") { traveller in
        let date = opaque(Date(timeIntervalSince1970: 1_234_567_890.125)), data = opaque(Data([0, 1, 255]))
        let url = opaque(URL(string: "https://example.org/a?b=c")), id = opaque(UUID())
        try expect(await traveller.call { date }, date)
        try expect(await traveller.call { data }, data)
        let text = try await traveller.call {
            "\(date.timeIntervalSince1970) \(Array(data)) \(url?.absoluteString ?? "") \(id.uuidString)"
        }
        try expect(text, "1234567890.125 [0, 1, 255] https://example.org/a?b=c \(id.uuidString)")
    },
    CorpusCase("a Codable class alone") { traveller in
        let box = opaque(Box(value: 41))
        try expect(await traveller.call { box.value + 1 }, 42)
    },
    CorpusCase("a Codable class among others") { traveller in
        let box = opaque(Box(value: 41)), number = opaque(1)
        try expect(await traveller.call { box.value + number }, 42)
    },
    CorpusCase("an open class and a generic class") { traveller in
        let animal = opaque(Animal(legs: 4)), box = opaque(GenericBox(value: ["a", "b"]))
        try expect(await traveller.call { animal.legs }, 4)
        try expect(await traveller.call { box.value.count }, 2)
        try expect(await traveller.call { animal.legs + box.value.count }, 6)
    },
    CorpusCase("16 MiB") { traveller in
        let bytes = opaque([UInt8](repeating: 7, count: 16 << 20)),
            text = opaque(String(repeating: "x", count: 1 << 20))
        let numbers = opaque(Array(0..<(1 << 17)))
        let sums = try await traveller.call {
            [bytes.count, bytes.lazy.filter { $0 == 7 }.count, text.utf8.count, numbers.reduce(0, +)]
        }
        try expect(sums, [16 << 20, 16 << 20, 1 << 20, numbers.reduce(0, +)])
    },
    CorpusCase("200 captures") { traveller in try await twoHundred(traveller) },
]
