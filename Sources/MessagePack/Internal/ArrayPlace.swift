// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// Reads whole arrays and maps of well-known types: one loop instead of a call for each element.
struct ArrayPlace {
    typealias BulkReader = (Bytes?, Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Bytes?>?) -> Int

    let message: Message
    let cursor: cmsgpack_cursor

    func integers<I: FixedWidthInteger>(_ type: Any.Type, _ read: BulkReader) throws(MessagePackError) -> [I] {
        try elements(read, { readInteger($0) }, .number, type)
    }

    /// Reads in bulk as long as that works, one by one where elements take other forms.
    func elements<Element>(
        _ read: BulkReader,
        _ readOne: (Bytes) -> Element?,
        _ wanted: Wanted = .number,
        _ type: Any.Type = [Element].self
    ) throws(MessagePackError) -> [Element] {
        let (count, first) = try arrayHeader(message, cursor, type)
        var failure: MessagePackError?
        let array = [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
            var start: Bytes? = message.pointee.bytes + Int(first.offset)
            while initialized < count {
                let out = buffer.baseAddress.map { UnsafeMutableRawPointer($0 + initialized) }
                initialized += read(start, count - initialized, out, &start)
                guard initialized < count, let at = start else { break }
                let offset = UInt32(at - message.pointee.bytes)
                guard let element = readOne(at) else {
                    failure = mismatch(Element.self, wanted, at, at: offset).under("[\(initialized)]")
                    break
                }
                (buffer.baseAddress.unsafelyUnwrapped + initialized).initialize(to: element)
                initialized += 1
                // No container gets here, so no span is used up.
                let after = cmsgpack_skip(message, cmsgpack_cursor(offset: offset, span: 0))
                start = message.pointee.bytes + Int(after.offset)
            }
        }
        if let failure { throw failure }
        return array
    }

    func strings() throws(MessagePackError) -> [String] {
        try eachElement { place throws(MessagePackError) in
            let start = message.pointee.bytes + Int(place.offset)
            guard let string = readString(start) else { throw mismatch(String.self, .text, start, at: place.offset) }
            return string
        }
    }

    /// Bytes come as binary or as an array of small integers.
    func bytes() throws(MessagePackError) -> [UInt8] {
        if let bytes = readBinary(message.pointee.bytes + Int(cursor.offset)) { return [UInt8](bytes) }
        return try integers([UInt8].self, cmsgpack_read_uint8)
    }

    func blobs() throws(MessagePackError) -> [[UInt8]] {
        try eachElement { place throws(MessagePackError) in
            try ArrayPlace(message: message, cursor: place).bytes()
        }
    }

    func encodedValues() throws(MessagePackError) -> [EncodedValue] {
        try eachElement { place in
            EncodedValue(copying: message, from: place.offset, to: cmsgpack_skip(message, place).offset)
        }
    }

    /// Reads the elements one by one; an error says which.
    @inline(__always)
    private func eachElement<Element>(
        _ read: (cmsgpack_cursor) throws(MessagePackError) -> Element
    ) throws(MessagePackError) -> [Element] {
        var (count, place) = try arrayHeader(message, cursor, [Element].self)
        var elements: [Element] = []
        elements.reserveCapacity(count)
        while count > 0 {
            do throws(MessagePackError) {
                elements.append(try read(place))
            } catch {
                throw error.under("[\(elements.count)]")
            }
            place = cmsgpack_skip(message, place)
            count -= 1
        }
        return elements
    }

    /// Reads a dictionary; of equal keys the last one's value counts.
    ///
    /// Integer keys become their decimal digits.
    func pairs<Element>(_ type: WellKnownType) throws(MessagePackError) -> [String: Element] {
        let start = message.pointee.bytes + Int(cursor.offset)
        let token = cmsgpack_read(start)
        guard cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_MAP else {
            throw mismatch([String: Element].self, .map, start, at: cursor.offset)
        }
        var place = cmsgpack_cursor(
            offset: cursor.offset + UInt32(token.header),
            span: cursor.span + (token.number == 0 ? 0 : 1)
        )
        var dictionary: [String: Element] = [:]
        dictionary.reserveCapacity(Int(token.number))
        for _ in 0..<Int(token.number) {
            let key = try readKey(message.pointee.bytes + Int(place.offset), at: place.offset)
            place = cmsgpack_skip(message, place)
            do throws(MessagePackError) {
                dictionary[key] = try type.read(Element.self, message, place)
            } catch {
                throw error.under(key)
            }
            place = cmsgpack_skip(message, place)
        }
        return dictionary
    }

    private func readKey(_ start: Bytes, at offset: UInt32) throws(MessagePackError) -> String {
        if let key = readString(start) { return key }
        let token = cmsgpack_read(start)
        switch cmsgpack_kind(UInt32(token.kind)) {
        case CMSGPACK_INT: return "\(Int64(bitPattern: token.number))"
        case CMSGPACK_STR: throw invalidText(at: Int(offset))
        default: throw unsupportedKey(start.pointee, at: Int(offset))
        }
    }
}

/// The count of an array's elements and the place of the first.
func arrayHeader(
    _ message: Message,
    _ cursor: cmsgpack_cursor,
    _ type: Any.Type
) throws(MessagePackError) -> (count: Int, first: cmsgpack_cursor) {
    let start = message.pointee.bytes + Int(cursor.offset)
    let token = cmsgpack_read_container(start)
    guard cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_ARRAY else {
        throw mismatch(type, .array, start, at: cursor.offset)
    }
    let first = cmsgpack_cursor(
        offset: cursor.offset + UInt32(token.header),
        span: cursor.span + (token.number == 0 ? 0 : 1)
    )
    return (Int(token.number), first)
}
