// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack

/// The decoder: any bytes as a value and as types; what can be read is written and read again as the same.
enum MessagePackTarget {
    private struct Shape: Codable, Equatable {
        enum Choice: Codable, Equatable {
            case none
            case some(Int)
            case pair(name: String, bytes: [UInt8])
        }
        var flag: Bool
        var small: UInt8
        var number: Int
        var real: Double
        var name: String
        var bytes: [UInt8]
        var numbers: [Int32]
        var names: [String: String]
        var choice: Choice?
        var inner: [Shape]?
    }

    /// A class that asks for what it decodes in another order, and keeps its decoder.
    private struct Curious: Decodable {
        var count = 0
        init(from decoder: any Decoder) throws {
            if let map = try? decoder.container(keyedBy: Name.self) {
                for key in map.allKeys.reversed() {
                    count += 1
                    if let inner = try? map.decode(Curious.self, forKey: key) { count += inner.count }
                    _ = try? map.superDecoder(forKey: key).singleValueContainer().decode(Int8.self)
                    _ = try? map.nestedUnkeyedContainer(forKey: key)
                }
            } else if var array = try? decoder.unkeyedContainer() {
                while !array.isAtEnd {
                    count += 1
                    if (try? array.decodeNil()) == true { continue }
                    if let inner = try? array.decode(Curious.self) { count += inner.count } else { break }
                }
            } else {
                _ = try decoder.singleValueContainer().decode(Float.self)
            }
        }
    }

    /// Reads a map by its keys, and keeps the container.
    private struct Keyed: Decodable {
        let container: KeyedDecodingContainer<Name>
        let read: [Value?]

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Name.self)
            read = container.allKeys.map { try? container.decode(Value.self, forKey: $0) }
            self.container = container
        }

        /// The same map again, now that its decoder is done; and each key's value is that of the value tree.
        func check(_ map: Value.Map) {
            let keys = container.allKeys
            precondition(keys.count == map.count, "\(map.count) keys are read as \(keys)")
            precondition(container.codingPath.count < 200)
            for (key, value) in zip(keys, read) {
                let again = try? container.decode(Value.self, forKey: key)
                precondition(
                    again?.encoded() == value?.encoded(),
                    "\(key) is \(value as Any), and later \(again as Any)"
                )
                let number = key.intValue.map { Value.int(Int64($0)) }
                let text = map.first { $0.key == .string(key.stringValue) }?.value
                let expected = text ?? map.first { $0.key == number }?.value
                precondition(value?.encoded() == expected?.encoded(), "\(key) is \(value as Any)")
            }
        }
    }

    private static func checkKeys(_ bytes: [UInt8], _ decoder: MessagePackDecoder) {
        guard let values = try? decoder.decode([Value].self, from: bytes),
            let keyed = try? decoder.decode([Keyed].self, from: bytes)
        else { return }
        for case (.map(let map), let keyed) in zip(values, keyed) { keyed.check(map) }
    }

    private struct Name: CodingKey {
        let stringValue: String
        let intValue: Int?
        init(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
        init(intValue: Int) { (stringValue, self.intValue) = ("\(intValue)", intValue) }
    }

    static func run(_ bytes: [UInt8]) -> Bool {
        var decoder = MessagePackDecoder()
        // Curious types take as much of the stack as they nest.
        decoder.limits.maximumDepth = 128
        let encoder = MessagePackEncoder()
        func check<T: Codable & Equatable>(_ type: T.Type) {
            guard let value = try? decoder.decode(type, from: bytes) else { return }
            do {
                let again = try encoder.encode(value)
                // Not a number is not equal to itself; its bytes are.
                let back = try decoder.decode(type, from: again)
                let third = try encoder.encode(back)
                precondition(back == value || third.count == again.count, "\(type): \(value) comes back as \(back)")
            } catch {
                preconditionFailure("\(type): \(value) is read, and not written or read again: \(error)")
            }
        }
        check(Value.self)
        check(Shape.self)
        check([String: Value].self)
        check([Int: [UInt8]].self)
        check([Shape].self)
        check([Int].self)
        check([Double?].self)
        check([UInt16].self)
        check([[String]].self)
        check([String: [Bool]].self)
        check(MessagePackTimestamp.self)
        check(EncodedValue.self)
        check([String: EncodedValue].self)
        check(Shape.Choice.self)
        _ = try? decoder.decode(Curious.self, from: bytes)
        checkKeys(bytes, decoder)
        var small = decoder
        small.limits = MessagePackDecoder.Limits(
            maximumByteCount: 64,
            maximumDepth: 3,
            maximumLength: 8,
            maximumValueCount: 16
        )
        _ = try? small.decode(Value.self, from: bytes)
        return true
    }

    static var seeds: [String: [UInt8]] {
        get throws {
            let encoder = MessagePackEncoder()
            var shape = Shape(
                flag: true,
                small: 200,
                number: -70_000,
                real: 0.1,
                name: "name",
                bytes: [1, 2, 3],
                numbers: [1, -2, 1 << 20],
                names: ["a": "b"],
                choice: .pair(name: "x", bytes: [9])
            )
            let alone = try encoder.encode(shape)
            shape.inner = [shape, shape]
            let values: [String: Value] = [
                "nil": .nil, "true": true, "small": 5, "negative": -5, "uint8": 200, "uint16": 40_000,
                "uint32": 4_000_000_000, "uint64": .uint(.max), "int8": -100, "int16": -30_000, "int32": -2_000_000_000,
                "int64": .int(.min), "float": .float(1.5), "double": .double(0.1), "nan": .double(.nan),
                "string": "abc",
                "string8": .string(String(repeating: "s", count: 40)),
                "string16": .string(String(repeating: "ü", count: 200)), "binary": .binary([1, 2, 3]),
                "binary16": .binary([UInt8](repeating: 1, count: 300)), "array": [1, "a", [.nil, false]],
                "array16": .array([Value](repeating: 1, count: 20)), "map": .map(["a": 1, 2: [3: 4]]),
                "ext": .ext(type: 5, [1, 2]), "ext4": .ext(type: -7, [1, 2, 3, 4]),
                "timestamp32": .ext(type: -1, [0, 0, 0, 1]), "timestamp64": .ext(type: -1, [0, 0, 0, 8, 0, 0, 0, 1]),
                "timestamp96": .ext(type: -1, [0, 0, 0, 1] + [UInt8](repeating: 255, count: 8)),
                "deep": (0..<40).reduce(Value.nil) { value, _ in .array([value]) },
            ]
            var seeds = values.mapValues { $0.encoded() }
            seeds["shape"] = alone
            seeds["shapes"] = try encoder.encode(shape)
            seeds["choice"] = try encoder.encode(Shape.Choice.some(3))
            seeds["names"] = try encoder.encode(["a": ["b"], "c": []])
            let long = String(repeating: "k", count: 40)
            let keyed: [Value] = [
                ["a": 1, "bc": [2]], ["a": 3, "bc": 4], ["bc": 4, "a": 3], ["a": 1, "bd": 2], [1: 2, "1": 3, -1: 4],
                .map([.string(long): 1]), .map([.string(long): 2]), ["number1": 1, "number2": 2, "number10": 3],
            ]
            seeds["maps"] = Value.array(keyed).encoded()
            let many = (0..<30).map { (Value.string("key \($0)"), Value.int(Int64($0))) }
            seeds["many-maps"] = Value.array((0..<2).map { _ in .map(Value.Map(many)) }).encoded()
            seeds["claim"] = [0xdd, 0xff, 0xff, 0xff, 0xff, 0]
            seeds["two-nans"] = try encoder.encode([Double.nan, -.infinity])
            return seeds
        }
    }
}
