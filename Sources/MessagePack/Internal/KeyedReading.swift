// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// Reads the pairs of a map that its state keeps open for it.
///
/// It holds nothing, and must not leave the object that the standard library has put it into; see `KeyedLender`.
struct LentReader<Key: CodingKey>: KeyedReading {
    let map: OpenMap.Pointer
}

/// Reads the pairs of a map of its own.
struct OwningReader<Key: CodingKey>: KeyedReading {
    let owner: MapOwner
    var map: OpenMap.Pointer { owner.map }
}

/// Reads the pairs of a map.
///
/// What follows is put into each of the two: calls through this protocol would have its table of witnesses looked up.
protocol KeyedReading: KeyedDecodingContainerProtocol {
    var map: OpenMap.Pointer { get }
}

extension KeyedReading {
    var codingPath: [any CodingKey] { core.codingPath(node) }

    var allKeys: [Key] {
        var keys: [Key] = []
        map.forEachKey { key, _ in
            switch key {
            case .text(let text):
                if let key = Key(stringValue: String(decoding: text, as: UTF8.self)) { keys.append(key) }
            case .integer(let number):
                if let key = Int(exactly: number).flatMap(Key.init(intValue:)) { keys.append(key) }
            }
        }
        return keys
    }

    @inline(__always)
    func contains(_ key: Key) -> Bool { find(key) != nil }

    @inline(__always)
    func decodeNil(forKey key: Key) throws -> Bool { core.start(of: try pair(key).pointee.value).pointee == 0xc0 }
    @inline(__always)
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try read(key, .bool, readBool) }
    @inline(__always)
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try read(key, .text, readString) }
    @inline(__always)
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try read(key, .number, readDouble) }
    @inline(__always)
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try read(key, .number, readFloat) }
    @inline(__always)
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try integer(key) }
    @inline(__always)
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try integer(key) }
    @inline(__always)
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try integer(key) }
    @inline(__always)
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try integer(key) }
    @inline(__always)
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try integer(key) }
    @inline(__always)
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try integer(key) }
    @inline(__always)
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try integer(key) }
    @inline(__always)
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try integer(key) }
    @inline(__always)
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try integer(key) }
    @inline(__always)
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try integer(key) }

    @inline(__always)
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        try decode(type, pair(key))
    }

    // The standard ways look for the key three times.

    @inline(__always)
    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try readIfPresent(key, .bool, readBool) }
    @inline(__always)
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? {
        try readIfPresent(key, .text, readString)
    }
    @inline(__always)
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? {
        try readIfPresent(key, .number, readDouble)
    }
    @inline(__always)
    func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? {
        try readIfPresent(key, .number, readFloat)
    }
    @inline(__always)
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try integerIfPresent(key) }
    @inline(__always)
    func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? { try integerIfPresent(key) }
    @inline(__always)
    func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? { try integerIfPresent(key) }
    @inline(__always)
    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try integerIfPresent(key) }
    @inline(__always)
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try integerIfPresent(key) }
    @inline(__always)
    func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? { try integerIfPresent(key) }
    @inline(__always)
    func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? { try integerIfPresent(key) }
    @inline(__always)
    func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? { try integerIfPresent(key) }
    @inline(__always)
    func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { try integerIfPresent(key) }
    @inline(__always)
    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { try integerIfPresent(key) }

    @inline(__always)
    func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
        guard let pair = find(key), core.start(of: pair.pointee.value).pointee != 0xc0 else { return nil }
        return try decode(type, pair)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type,
        forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        let pair = try pair(key)
        return try core.keyedContainer(at: pair.pointee.value, node: push(pair))
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        let pair = try pair(key)
        return try core.unkeyedReader(at: pair.pointee.value, node: push(pair))
    }

    func superDecoder() throws -> any Decoder { try reader(PathKey.super) }
    func superDecoder(forKey key: Key) throws -> any Decoder { try reader(key) }

    private func reader(_ key: some CodingKey) throws -> ValueReader {
        guard let pair = map.find(key) else { throw map.missing(key) }
        return ValueReader(state: core.pointee.state, cursor: pair.pointee.value, node: push(pair))
    }

    private func push(_ pair: OpenMap.Pair) -> UInt32 {
        core.push(parent: node, step: pair.pointee.key, isIndex: false)
    }

    // MARK: Reading

    @inline(__always)
    private var core: DecodingCore { map.pointee.core }

    @inline(__always)
    private var node: UInt32 { map.pointee.node }

    @inline(__always)
    private func find(_ key: Key) -> OpenMap.Pair? { map.find(key) }

    @inline(__always)
    private func pair(_ key: Key) throws -> OpenMap.Pair {
        guard let pair = map.find(key) else { throw map.missing(key) }
        return pair
    }

    @inline(__always)
    private func decode<T: Decodable>(_ type: T.Type, _ pair: OpenMap.Pair) throws -> T {
        try core.decode(type, at: pair.pointee.value, parent: node, step: pair.pointee.key, isIndex: false)
    }

    @inline(__always)
    private func read<T>(_ key: Key, _ wanted: Wanted, _ read: (Bytes) -> T?) throws -> T {
        try checked(try pair(key), wanted, read)
    }

    @inline(__always)
    private func readIfPresent<T>(_ key: Key, _ wanted: Wanted, _ read: (Bytes) -> T?) throws -> T? {
        guard let pair = find(key), core.start(of: pair.pointee.value).pointee != 0xc0 else { return nil }
        return try checked(pair, wanted, read)
    }

    @inline(__always)
    private func integer<I: FixedWidthInteger>(_ key: Key) throws -> I { try read(key, .number) { readInteger($0) } }

    @inline(__always)
    private func integerIfPresent<I: FixedWidthInteger>(_ key: Key) throws -> I? {
        try readIfPresent(key, .number) { readInteger($0) }
    }

    @inline(__always)
    private func checked<T>(_ pair: OpenMap.Pair, _ wanted: Wanted, _ read: (Bytes) -> T?) throws -> T {
        let start = core.start(of: pair.pointee.value)
        guard let value = read(start) else {
            let error = mismatch(T.self, wanted, start, at: pair.pointee.value.offset)
            throw core.located(error, parent: node, step: pair.pointee.key, isIndex: false)
        }
        return value
    }
}
