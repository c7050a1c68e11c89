// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import MessagePack

/// An array of integers, in Swift and in C.
struct IntegerSample {
    static let count = 1_000_000

    private let integers = Array(0..<Self.count)
    private let bytes: [UInt8]
    private let wideIntegers: [Int64]
    private let digest: Int64

    /// Makes both sides' integers.
    ///
    /// - Throws: ``BenchError`` when the sides do not agree on bytes.
    init() throws {
        bytes = try MessagePackEncoder().encode(integers)
        wideIntegers = integers.map(Int64.init)
        var packed = [UInt8](repeating: 0, count: bytes.count)
        guard cbr_integers_pack(wideIntegers, Self.count, &packed, packed.count) == bytes.count, packed == bytes else {
            throw BenchError("msgpack-c and Swift encode the integers differently")
        }
        var failed = false
        digest = cbr_integers_unpack(bytes, bytes.count, Self.count, &failed)
        if failed { throw BenchError("msgpack-c cannot read the integers encoded in Swift") }
    }

    func packInC() throws {
        if cbr_integers_pack(wideIntegers, Self.count, nil, 0) != bytes.count {
            throw BenchError("msgpack-c has encoded something else")
        }
    }

    func encode() throws {
        if try MessagePackEncoder().encode(integers).count != bytes.count {
            throw BenchError("Swift has encoded something else")
        }
    }

    func unpackInC() throws {
        var failed = false
        if cbr_integers_unpack(bytes, bytes.count, Self.count, &failed) != digest || failed {
            throw BenchError("msgpack-c has decoded something else")
        }
    }

    func decode() throws {
        let decoded = try MessagePackDecoder().decode([Int].self, from: bytes)
        if decoded.count != Self.count || decoded.last != integers.last {
            throw BenchError("Swift has decoded something else")
        }
    }
}
