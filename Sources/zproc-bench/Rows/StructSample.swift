// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import MessagePack

/// Structs as programs send them, in Swift and in C.
final class StructSample {
    struct Item: Codable, Equatable {
        struct Nested: Codable, Equatable {
            var number: Int
            var flag: Bool
        }
        var id: Int
        var name: String
        var score: Double
        var tags: [String]
        var nested: Nested
    }

    static let count = 10_000

    private let items: [Item]
    private let bytes: [UInt8]
    /// Lives as long as this, and is used by one call at a time.
    private let structs: OpaquePointer
    private let digest: UInt64

    /// Makes both sides' structs.
    ///
    /// - Throws: ``BenchError`` when the sides do not agree on bytes or values.
    init() throws {
        items = (0..<Self.count).map { number in
            Item(
                id: number,
                name: "item number \(number)",
                score: Double(number) * 0.75,
                tags: ["red", "number-\(number % 100)", "a tag of more than fifteen bytes"],
                nested: Item.Nested(number: number * 1000 - 5_000_000, flag: number % 3 == 0)
            )
        }
        bytes = try MessagePackEncoder().encode(items)
        guard let structs = cbr_structs_create(bytes, bytes.count) else {
            throw BenchError("msgpack-c cannot read the structs encoded in Swift")
        }
        self.structs = structs
        digest = cbr_structs_unpack(structs, bytes, bytes.count)
        var packed = [UInt8](repeating: 0, count: bytes.count)
        guard cbr_structs_pack(structs, &packed, packed.count) == bytes.count, packed == bytes else {
            throw BenchError("msgpack-c and Swift encode the structs differently")
        }
        guard try MessagePackDecoder().decode([Item].self, from: packed) == items else {
            throw BenchError("the structs encoded by msgpack-c come out differently in Swift")
        }
    }

    deinit {
        cbr_structs_destroy(structs)
    }

    func packInC() throws {
        if cbr_structs_pack(structs, nil, 0) != bytes.count { throw BenchError("msgpack-c has encoded something else") }
    }

    func encode() throws {
        if try MessagePackEncoder().encode(items).count != bytes.count {
            throw BenchError("Swift has encoded something else")
        }
    }

    func unpackInC() throws {
        if cbr_structs_unpack(structs, bytes, bytes.count) != digest {
            throw BenchError("msgpack-c has decoded something else")
        }
    }

    func decode() throws {
        let decoded = try MessagePackDecoder().decode([Item].self, from: bytes)
        if decoded.count != Self.count || decoded.last != items.last {
            throw BenchError("Swift has decoded something else")
        }
    }
}
