// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// Reads the pairs of a map.
struct KeyedReader<Key: CodingKey>: KeyedReading {
    let state: DecodingState
    let node: UInt32
    let map: MapPairs

    var codingPath: [any CodingKey] { state.codingPath(node) }

    var allKeys: [Key] {
        var keys: [Key] = []
        state.forEachPair(map) { key, _ in
            switch key {
            case .text(let text):
                if let key = Key(stringValue: String(decoding: text, as: UTF8.self)) { keys.append(key) }
            case .integer(let number):
                if let key = Int(exactly: number).flatMap(Key.init(intValue:)) { keys.append(key) }
            }
        }
        return keys
    }

    func contains(_ key: Key) -> Bool { find(key) != nil }

    func decodeNil(forKey key: Key) throws -> Bool { state.start(of: try pair(key).value).pointee == 0xc0 }
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try read(key, .bool, readBool) }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try read(key, .text, readString) }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try read(key, .number, readDouble) }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try read(key, .number, readFloat) }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try integer(key) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try integer(key) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try integer(key) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try integer(key) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try integer(key) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try integer(key) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try integer(key) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try integer(key) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try integer(key) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try integer(key) }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        try decode(type, pair(key))
    }

    // The standard ways look for the key three times.

    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try readIfPresent(key, .bool, readBool) }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? {
        try readIfPresent(key, .text, readString)
    }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? {
        try readIfPresent(key, .number, readDouble)
    }
    func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? {
        try readIfPresent(key, .number, readFloat)
    }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try integerIfPresent(key) }
    func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? { try integerIfPresent(key) }
    func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? { try integerIfPresent(key) }
    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try integerIfPresent(key) }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try integerIfPresent(key) }
    func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? { try integerIfPresent(key) }
    func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? { try integerIfPresent(key) }
    func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? { try integerIfPresent(key) }
    func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { try integerIfPresent(key) }
    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { try integerIfPresent(key) }

    func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
        guard let pair = find(key), state.start(of: pair.value).pointee != 0xc0 else { return nil }
        return try decode(type, pair)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type,
        forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        let pair = try pair(key)
        return try state.keyedContainer(at: pair.value, node: push(pair))
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        let pair = try pair(key)
        return try state.unkeyedReader(at: pair.value, node: push(pair))
    }

    func superDecoder() throws -> any Decoder { try reader(PathKey.super) }
    func superDecoder(forKey key: Key) throws -> any Decoder { try reader(key) }

    private func reader(_ key: some CodingKey) throws -> ValueReader {
        guard let pair = state.find(key, in: map, node: node) else { throw state.missing(key, in: map, node: node) }
        return ValueReader(state: state, cursor: pair.value, node: push(pair))
    }

    private func push(_ pair: MapPairs.Pair) -> UInt32 { state.push(parent: node, step: pair.key, isIndex: false) }

    // MARK: Reading

    @inline(__always)
    private func find(_ key: Key) -> MapPairs.Pair? { state.find(key, in: map, node: node) }

    @inline(__always)
    private func pair(_ key: Key) throws -> MapPairs.Pair {
        guard let pair = find(key) else { throw state.missing(key, in: map, node: node) }
        return pair
    }

    @inline(__always)
    private func decode<T: Decodable>(_ type: T.Type, _ pair: MapPairs.Pair) throws -> T {
        try state.decode(type, at: pair.value, parent: node, step: pair.key, isIndex: false)
    }

    @inline(__always)
    private func read<T>(_ key: Key, _ wanted: Wanted, _ read: (Bytes) -> T?) throws -> T {
        try checked(try pair(key), wanted, read)
    }

    @inline(__always)
    private func readIfPresent<T>(_ key: Key, _ wanted: Wanted, _ read: (Bytes) -> T?) throws -> T? {
        guard let pair = find(key), state.start(of: pair.value).pointee != 0xc0 else { return nil }
        return try checked(pair, wanted, read)
    }

    @inline(__always)
    private func integer<I: FixedWidthInteger>(_ key: Key) throws -> I { try read(key, .number) { readInteger($0) } }

    @inline(__always)
    private func integerIfPresent<I: FixedWidthInteger>(_ key: Key) throws -> I? {
        try readIfPresent(key, .number) { readInteger($0) }
    }

    @inline(__always)
    private func checked<T>(_ pair: MapPairs.Pair, _ wanted: Wanted, _ read: (Bytes) -> T?) throws -> T {
        let start = state.start(of: pair.value)
        guard let value = read(start) else {
            let error = mismatch(T.self, wanted, start, at: pair.value.offset)
            throw state.located(error, parent: node, step: pair.key, isIndex: false)
        }
        return value
    }
}
