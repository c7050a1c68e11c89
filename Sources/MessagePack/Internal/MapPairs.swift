// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// The pairs of a map that was looked over: each key is a string or an integer.
struct MapPairs {
    /// The offset of a key, and the place of its value.
    struct Pair {
        var key: UInt32
        var value: cmsgpack_cursor
    }

    enum Keys {
        case strings, integers
        /// Keys of both kinds, or some that repeat: every pair that counts, by its key.
        case indexed(PairIndex)
    }

    enum Key {
        case text(UnsafeBufferPointer<UInt8>)
        case integer(Int64)
    }

    let pairs: cmsgpack_map
    /// Where the map starts.
    let offset: UInt32
    let keys: Keys
}

/// The pairs of a map that cannot be searched in order, because an earlier pair may be overridden by a later one.
final class PairIndex {
    private(set) var strings: [[UInt8]: MapPairs.Pair] = [:]
    private(set) var integers: [Int64: MapPairs.Pair] = [:]

    func add(_ key: MapPairs.Key, _ pair: MapPairs.Pair) {
        switch key {
        case .text(let text): strings[[UInt8](text)] = pair
        case .integer(let number): integers[number] = pair
        }
    }

    /// Whether the pair is the one that counts among those with its key.
    func isLast(_ key: MapPairs.Key, _ pair: MapPairs.Pair) -> Bool {
        switch key {
        case .text(let text): strings[[UInt8](text)]?.key == pair.key
        case .integer(let number): integers[number]?.key == pair.key
        }
    }
}

extension DecodingState {
    func mapPairs(at cursor: cmsgpack_cursor, node: UInt32) throws(MessagePackError) -> MapPairs {
        let start = start(of: cursor)
        let token = cmsgpack_read(start)
        guard cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_MAP else {
            throw located(mismatch(Value.Map.self, .map, start, at: cursor.offset), path(node))
        }
        let first = cmsgpack_cursor(
            offset: cursor.offset + UInt32(token.header),
            span: cursor.span + (token.number == 0 ? 0 : 1)
        )
        let pairs = cmsgpack_map(first: first, count: UInt32(token.number))
        var (integers, fault): (UInt32, UInt32) = (0, 0)
        let status = cmsgpack_check_keys(message, pairs, hashSeed, &integers, &fault)
        if status == CMSGPACK_MAP_BAD_KEY {
            throw located(unsupportedKey(message.pointee.bytes[Int(fault)], at: Int(fault)), path(node))
        }
        if status == CMSGPACK_MAP_OK, integers == 0 || integers == pairs.count {
            return MapPairs(pairs: pairs, offset: cursor.offset, keys: integers == 0 ? .strings : .integers)
        }
        let index = PairIndex()
        forEachPair(MapPairs(pairs: pairs, offset: cursor.offset, keys: .strings)) { index.add($0, $1) }
        return MapPairs(pairs: pairs, offset: cursor.offset, keys: .indexed(index))
    }

    /// Goes through the pairs that count, in order.
    func forEachPair(_ map: MapPairs, _ body: (MapPairs.Key, MapPairs.Pair) -> Void) {
        var cursor = map.pairs.first
        for _ in 0..<map.pairs.count {
            let start = start(of: cursor)
            let token = cmsgpack_read(start)
            let value = cmsgpack_skip(message, cursor)
            let pair = MapPairs.Pair(key: cursor.offset, value: value)
            cursor = cmsgpack_skip(message, value)
            let key: MapPairs.Key =
                if cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_STR {
                    .text(UnsafeBufferPointer(start: start + Int(token.header), count: Int(token.number)))
                } else {
                    .integer(Int64(bitPattern: token.number))
                }
            if case .indexed(let index) = map.keys, !index.isLast(key, pair) { continue }
            body(key, pair)
        }
    }

    /// Finds a key's pair; at the first try when keys are asked for in the order they were written.
    @inline(__always)
    func find(_ key: some CodingKey, in map: MapPairs, node: UInt32) -> MapPairs.Pair? {
        guard case .strings = map.keys else { return findOther(key, in: map, node: node) }
        var pair = MapPairs.Pair(key: 0, value: cmsgpack_cursor())
        var text = key.stringValue
        let isFound = text.withUTF8 {
            cmsgpack_find(message, map.pairs, hint(node), $0.baseAddress, $0.count, &pair.key, &pair.value)
        }
        return isFound ? pair : nil
    }

    @inline(never)
    private func findOther(_ key: some CodingKey, in map: MapPairs, node: UInt32) -> MapPairs.Pair? {
        switch map.keys {
        case .strings: return nil
        case .integers:
            guard let number = key.intValue else { return nil }
            var pair = MapPairs.Pair(key: 0, value: cmsgpack_cursor())
            let isFound = cmsgpack_find_integer(
                message,
                map.pairs,
                hint(node),
                Int64(number),
                &pair.key,
                &pair.value
            )
            return isFound ? pair : nil
        case .indexed(let index):
            if let pair = index.strings[[UInt8](key.stringValue.utf8)] { return pair }
            return key.intValue.flatMap { index.integers[Int64($0)] }
        }
    }

    @inline(never)
    func missing(_ key: some CodingKey, in map: MapPairs, node: UInt32) -> MessagePackError {
        var invalid: UInt32?
        forEachPair(map) { found, pair in
            if case .text(let text) = found, !cmsgpack_is_utf8(text.baseAddress, text.count) { invalid = pair.key }
        }
        if let invalid { return located(invalidText(at: Int(invalid)), path(node)) }
        return MessagePackError(
            .keyNotFound,
            "the map has no key \"\(key.stringValue)\"",
            codingPath: path(node) + [key.stringValue],
            byteOffset: Int(map.offset)
        )
    }
}
