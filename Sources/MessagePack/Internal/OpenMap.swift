// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// A map that a keyed container reads.
///
/// It stays at its address, which is all that the container has of it: the standard library copies a container for each
/// field, and copies of an address cost nothing.
struct OpenMap {
    typealias Pointer = UnsafeMutablePointer<OpenMap>
    typealias Pair = UnsafePointer<cmsgpack_pair>

    enum Key {
        case text(UnsafeBufferPointer<UInt8>)
        case integer(Int64)
    }

    /// The container that reads this, if it is lent again and again; see `KeyedLender`.
    ///
    /// The first field, at the address of the map.
    fileprivate var container: AnyObject?
    /// The next one of the same list of a shelf.
    var next: Pointer?
    let core: DecodingCore
    var node: UInt32 = 0
    /// Where the map starts.
    fileprivate var offset: UInt32 = 0
    fileprivate var pairs = cmsgpack_pairs()

    /// Makes one that has read no map yet.
    static func make(_ core: DecodingCore) -> Pointer {
        let map = Pointer.allocate(capacity: 1)
        map.initialize(to: OpenMap(core: core))
        return map
    }

    private init(core: DecodingCore) { self.core = core }
}

extension OpenMap.Pointer {
    func destroy() {
        cmsgpack_pairs_free(&pointee.pairs)
        deinitialize(count: 1)
        deallocate()
    }

    /// Gives back what only a large map needs.
    func trim() {
        if pointee.pairs.capacity > 64 { cmsgpack_pairs_free(&pointee.pairs) }
    }

    // MARK: Lending

    /// Whether a keyed container is what it is taken for: a reference to one object, and nothing else.
    static func canKeep<Container>(_ type: Container.Type) -> Bool {
        MemoryLayout<Container>.size == MemoryLayout<AnyObject>.size
    }

    func keep<Container>(_ container: Container) {
        pointee.container = unsafeBitCast(container, to: AnyObject.self)
    }

    /// The container that is kept, which is of this type.
    @inline(__always)
    func container<Container>(_ type: Container.Type) -> Container {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: type).pointee
    }

    /// Whether nobody else has the container.
    @inline(__always)
    var isBack: Bool { isKnownUniquelyReferenced(&pointee.container) }

    // MARK: Reading

    /// Looks over the map at a place: each key is a string or an integer.
    @inline(__always)
    func read(at cursor: cmsgpack_cursor, node: UInt32) throws(MessagePackError) {
        pointee.node = node
        pointee.offset = cursor.offset
        var fault: UInt32 = 0
        let status = cmsgpack_pairs_open(&pointee.pairs, pointee.core.message, cursor, &fault)
        if status == CMSGPACK_MAP_NONE || status == CMSGPACK_MAP_BAD_KEY { throw error(status, at: fault) }
    }

    @inline(never)
    private func error(_ status: cmsgpack_map_status, at offset: UInt32) -> MessagePackError {
        let core = pointee.core
        let start = core.message.pointee.bytes + Int(offset)
        let error =
            status == CMSGPACK_MAP_NONE
            ? mismatch(Value.Map.self, .map, start, at: offset) : unsupportedKey(start.pointee, at: Int(offset))
        return core.located(error, core.path(pointee.node))
    }

    // MARK: Finding

    /// Finds a key's pair; at the first try when keys are asked for in the order they were written.
    ///
    /// The pair is there until the next map is read.
    @inline(__always)
    func find(_ key: some CodingKey) -> OpenMap.Pair? {
        if pointee.pairs.string_count != 0 {
            var text = key.stringValue
            let pair = text.withUTF8 {
                cmsgpack_pairs_find(&pointee.pairs, pointee.core.message, $0.baseAddress, $0.count)
            }
            if let pair { return pair }
        }
        return pointee.pairs.string_count == pointee.pairs.count ? nil : findInteger(key)
    }

    @inline(never)
    private func findInteger(_ key: some CodingKey) -> OpenMap.Pair? {
        key.intValue.flatMap { cmsgpack_pairs_find_integer(&pointee.pairs, Int64($0)) }
    }

    /// Goes through the keys that count, in order, with their offsets.
    func forEachKey(_ body: (OpenMap.Key, UInt32) -> Void) {
        for index in 0..<Int(pointee.pairs.count) {
            let pair = pointee.pairs.all[index]
            switch cmsgpack_key_kind(pair.kind) {
            case CMSGPACK_KEY_STRING:
                let start = pointee.core.message.pointee.bytes + Int(pair.key)
                let token = cmsgpack_read(start)
                body(
                    .text(UnsafeBufferPointer(start: start + Int(token.header), count: Int(token.number))),
                    pair.key
                )
            case CMSGPACK_KEY_INTEGER: body(.integer(Int64(bitPattern: pair.mark)), pair.key)
            default: continue
            }
        }
    }

    @inline(never)
    func missing(_ key: some CodingKey) -> MessagePackError {
        let core = pointee.core
        var invalid: UInt32?
        forEachKey { found, offset in
            if case .text(let text) = found, cmsgpack_check_text(text.baseAddress, text.count) == CMSGPACK_TEXT_INVALID
            {
                invalid = offset
            }
        }
        let path = core.path(pointee.node)
        if let invalid { return core.located(invalidText(at: Int(invalid)), path) }
        return MessagePackError(
            .keyNotFound,
            "the map has no key \"\(key.stringValue)\"",
            codingPath: path + [key.stringValue],
            byteOffset: Int(pointee.offset)
        )
    }
}
