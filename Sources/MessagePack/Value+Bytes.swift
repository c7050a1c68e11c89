// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

extension Value {
    /// Reads one value from bytes that hold nothing else.
    ///
    /// - Throws: ``MessagePackError`` with the path and the offset, for bytes that are not a value within the limits.
    public init(decoding bytes: [UInt8], limits: MessagePackDecoder.Limits = .init()) throws {
        self = try bytes.withUnsafeBytes { try Value(decoding: $0, limits: limits) }
    }

    /// Reads one value from bytes that hold nothing else, without copying them first.
    ///
    /// - Throws: ``MessagePackError`` with the path and the offset, for bytes that are not a value within the limits.
    public init(decoding bytes: UnsafeRawBufferPointer, limits: MessagePackDecoder.Limits = .init()) throws {
        self = try withScannedMessage(bytes, limits) { message in
            try Value(reading: &message, at: cmsgpack_cursor(offset: 0, span: 0))
        }
    }

    /// The value as one MessagePack message, each part in its smallest form.
    ///
    /// - Precondition: no string, blob, array or map has 2^32 bytes or elements, more than MessagePack can say.
    public func encoded() -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 16) { stack in
            let start = stack.baseAddress?.assumingMemoryBound(to: UInt8.self)
            var writer = cmsgpack_writer(bytes: start, count: 0, capacity: stack.count, borrowed: start)
            defer { cmsgpack_writer_free(&writer) }
            do {
                try write(to: &writer)
            } catch {
                preconditionFailure("A value cannot be encoded: \(error)")
            }
            return [UInt8](UnsafeRawBufferPointer(start: writer.bytes, count: writer.count))
        }
    }

    /// Writes the value, with at most `depth` arrays and maps around anything in it.
    func write(to writer: Writer, depth: Int = .max) throws(MessagePackError) {
        switch self {
        case .nil: cmsgpack_pack_nil(writer)
        case .bool(let value): writeBool(value, writer)
        case .int(let value): writeSigned(value, writer)
        case .uint(let value): writeUnsigned(value, writer)
        case .float(let value): cmsgpack_pack_float(writer, value)
        case .double(let value): cmsgpack_pack_double(writer, value)
        case .string(let value): if !writeString(value, writer) { throw tooLong("a string") }
        case .binary(let value): try writeBytes(value, writer)
        case .array(let elements):
            guard elements.count <= UInt32.max else { throw tooLong("an array") }
            guard depth > 0 else { throw tooDeep }
            cmsgpack_pack_array(writer, elements.count)
            for element in elements { try element.write(to: writer, depth: depth - 1) }
        case .map(let map):
            guard map.count <= UInt32.max else { throw tooLong("a map") }
            guard depth > 0 else { throw tooDeep }
            cmsgpack_pack_map(writer, map.count)
            for pair in map {
                try pair.key.write(to: writer, depth: depth - 1)
                try pair.value.write(to: writer, depth: depth - 1)
            }
        case .timestamp(let time): cmsgpack_pack_time(writer, time.seconds, time.nanoseconds)
        case .ext(let type, let bytes): try writeExtension(type, bytes, writer)
        }
    }

    private var tooDeep: MessagePackError {
        MessagePackError(.tooDeep, "a value is nested deeper than the encoder's maximumDepth allows")
    }

    /// Reads the value at a place of a scanned message.
    ///
    /// The scan has bounded depth and counts.
    init(reading message: Message, at cursor: cmsgpack_cursor) throws(MessagePackError) {
        var place = cursor
        do throws(MessagePackError) {
            var pairs = cmsgpack_pairs()
            defer { cmsgpack_pairs_free(&pairs) }
            self = try Value.next(message, &place, &pairs)
        } catch {
            let path = path(in: message, from: Int(cursor.offset), to: error.byteOffset ?? 0)
            throw MessagePackError(error.code, error.message, codingPath: path, byteOffset: error.byteOffset)
        }
    }

    private static func next(
        _ message: Message,
        _ cursor: inout cmsgpack_cursor,
        _ pairs: inout cmsgpack_pairs
    ) throws(MessagePackError) -> Value {
        let start = message.pointee.bytes + Int(cursor.offset)
        let token = cmsgpack_read(start)
        let count = Int(truncatingIfNeeded: token.number)
        if cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_ARRAY || cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_MAP {
            cursor.offset += UInt32(token.header)
            if count > 0 { cursor.span += 1 }
            guard cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_MAP else {
                var elements: [Value] = []
                elements.reserveCapacity(count)
                for _ in 0..<count { elements.append(try next(message, &cursor, &pairs)) }
                return .array(elements)
            }
            return .map(try nextMap(count, message, &cursor, &pairs))
        }
        let offset = Int(cursor.offset)
        cursor = cmsgpack_skip(message, cursor)
        let kind = cmsgpack_kind(UInt32(token.kind))
        // For a number, `count` is the number itself.
        let hasPayload = kind == CMSGPACK_STR || kind == CMSGPACK_BIN || kind == CMSGPACK_EXT
        let payload = UnsafeBufferPointer(start: start + Int(token.header), count: hasPayload ? count : 0)
        switch kind {
        case CMSGPACK_NIL: return .nil
        case CMSGPACK_BOOL: return .bool(token.number != 0)
        case CMSGPACK_INT: return .int(Int64(bitPattern: token.number))
        case CMSGPACK_UINT: return .uint(token.number)
        case CMSGPACK_FLOAT: return .float(Float(bitPattern: UInt32(truncatingIfNeeded: token.number)))
        case CMSGPACK_DOUBLE: return .double(Double(bitPattern: token.number))
        case CMSGPACK_STR:
            guard let string = String(checking: payload) else { throw invalidText(at: offset) }
            return .string(string)
        case CMSGPACK_BIN: return .binary([UInt8](payload))
        default:
            // Type -1 with a payload that is no timestamp stays what it is, an extension.
            if token.ext == -1, let time = MessagePackTimestamp(payload: payload) { return .timestamp(time) }
            return .ext(type: token.ext, [UInt8](payload))
        }
    }

    private static func nextMap(
        _ count: Int,
        _ message: Message,
        _ cursor: inout cmsgpack_cursor,
        _ pairs: inout cmsgpack_pairs
    ) throws(MessagePackError) -> Map {
        var fault: UInt32 = 0
        let size = UInt32(truncatingIfNeeded: count)
        let isPlain = cmsgpack_pairs_read(&pairs, message, cursor, size, &fault) == CMSGPACK_MAP_OK
        var elements: [Map.Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count {
            let key = try next(message, &cursor, &pairs)
            elements.append((key, try next(message, &cursor, &pairs)))
        }
        return isPlain ? Map(unique: elements) : Map(uniquing: elements)
    }
}

extension MessagePackTimestamp {
    /// Reads the payload of extension -1: 32, 64 or 96 bits.
    init?(payload: UnsafeBufferPointer<UInt8>) {
        guard let start = payload.baseAddress else { return nil }
        let (seconds, nanoseconds): (Int64, UInt64)
        switch payload.count {
        case 4: (seconds, nanoseconds) = (Int64(cmsgpack_load32(start)), 0)
        case 8:
            let bits = cmsgpack_load64(start)
            (seconds, nanoseconds) = (Int64(bits & 0x3_ffff_ffff), bits >> 34)
        case 12: (seconds, nanoseconds) = (Int64(bitPattern: cmsgpack_load64(start + 4)), cmsgpack_load32(start))
        default: return nil
        }
        guard nanoseconds < 1_000_000_000 else { return nil }
        self.init(seconds: seconds, nanoseconds: UInt32(nanoseconds))
    }
}
