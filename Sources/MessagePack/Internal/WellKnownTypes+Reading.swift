// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Reads a value whose type this module knows, without its `init(from:)`; nil when it does not know the type.
///
/// Types are told by identity, sorted by size first, so that a type of the user's costs a handful of comparisons.
func readWellKnown<T>(
    _ type: T.Type,
    _ message: Message,
    _ cursor: cmsgpack_cursor
) throws(MessagePackError) -> T? {
    let start = message.pointee.bytes + Int(cursor.offset)
    switch MemoryLayout<T>.size {
    case 1:
        if type == Bool.self { return try same(type, readBool(start), .bool, start, cursor) }
        if type == UInt8.self { return try same(type, readInteger(start, as: UInt8.self), .number, start, cursor) }
        if type == Int8.self { return try same(type, readInteger(start, as: Int8.self), .number, start, cursor) }
    case 2:
        if type == Int16.self { return try same(type, readInteger(start, as: Int16.self), .number, start, cursor) }
        if type == UInt16.self { return try same(type, readInteger(start, as: UInt16.self), .number, start, cursor) }
    case 4:
        if type == Int32.self { return try same(type, readInteger(start, as: Int32.self), .number, start, cursor) }
        if type == UInt32.self { return try same(type, readInteger(start, as: UInt32.self), .number, start, cursor) }
        if type == Float.self { return try same(type, readFloat(start), .number, start, cursor) }
    case 8:
        if type == Int.self { return try same(type, readInteger(start, as: Int.self), .number, start, cursor) }
        if type == Double.self { return try same(type, readDouble(start), .number, start, cursor) }
        if type == Date.self { return try same(type, readTimestamp(start)?.date, .timestamp, start, cursor) }
        if type == Int64.self { return try same(type, readInteger(start, as: Int64.self), .number, start, cursor) }
        if type == UInt64.self { return try same(type, readInteger(start, as: UInt64.self), .number, start, cursor) }
        if type == UInt.self { return try same(type, readInteger(start, as: UInt.self), .number, start, cursor) }
        if type == EncodedValue.self {
            let count = Int(cmsgpack_skip(message, cursor).offset) - Int(cursor.offset)
            let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
            return identity(EncodedValue(unchecked: bytes), as: T.self)
        }
        return try readArray(type, message, cursor)
    case MemoryLayout<String>.size where type == String.self:
        return try same(type, readString(start), .text, start, cursor)
    case MemoryLayout<Data>.size where type == Data.self:
        if let bytes = readBinary(start) { return identity(Data(bytes), as: T.self) }
        return identity(Data(try integers(message, cursor, Data.self, cmsgpack_read_uint8) as [UInt8]), as: T.self)
    case MemoryLayout<MessagePackTimestamp>.size where type == MessagePackTimestamp.self:
        return try same(type, readTimestamp(start), .timestamp, start, cursor)
    case MemoryLayout<Value>.size where type == Value.self:
        return identity(try Value(reading: message, at: cursor), as: T.self)
    default: break
    }
    return nil
}

@inline(__always)
private func same<Read, T>(
    _ type: T.Type,
    _ value: Read?,
    _ wanted: Wanted,
    _ start: Bytes,
    _ cursor: cmsgpack_cursor
) throws(MessagePackError) -> T {
    guard let value else { throw mismatch(T.self, wanted, start, at: cursor.offset) }
    return identity(value, as: T.self)
}

private typealias BulkReader = (Bytes?, Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Bytes?>?) -> Int

#if _pointerBitWidth(_64)
private var readInts: BulkReader { cmsgpack_read_int64 }
private var readUInts: BulkReader { cmsgpack_read_uint64 }
#else
private var readInts: BulkReader { cmsgpack_read_int32 }
private var readUInts: BulkReader { cmsgpack_read_uint32 }
#endif

/// Arrays of numbers and strings, and bytes: one loop instead of a call for each element.
private func readArray<T>(
    _ type: T.Type,
    _ message: Message,
    _ cursor: cmsgpack_cursor
) throws(MessagePackError) -> T? {
    let start = message.pointee.bytes + Int(cursor.offset)
    if type == [UInt8].self {
        if let bytes = readBinary(start) { return identity([UInt8](bytes), as: T.self) }
        return try cast(type, integers(message, cursor, [UInt8].self, cmsgpack_read_uint8) as [UInt8])
    }
    if type == [String].self { return try cast(type, strings(message, cursor)) }
    if type == [Int].self {
        return try cast(type, integers(message, cursor, [Int].self, readInts) as [Int])
    }
    if type == [Double].self {
        return try cast(type, elements(message, cursor, [Double].self, cmsgpack_read_double, readDouble) as [Double])
    }
    if type == [Float].self {
        return try cast(type, elements(message, cursor, [Float].self, cmsgpack_read_float, readFloat) as [Float])
    }
    if type == [Bool].self {
        return try cast(type, elements(message, cursor, [Bool].self, cmsgpack_read_bool, readBool, .bool) as [Bool])
    }
    if type == [Int8].self { return try cast(type, integers(message, cursor, [Int8].self, cmsgpack_read_int8) as [Int8]) }
    if type == [Int16].self { return try cast(type, integers(message, cursor, [Int16].self, cmsgpack_read_int16) as [Int16]) }
    if type == [Int32].self { return try cast(type, integers(message, cursor, [Int32].self, cmsgpack_read_int32) as [Int32]) }
    if type == [Int64].self { return try cast(type, integers(message, cursor, [Int64].self, cmsgpack_read_int64) as [Int64]) }
    if type == [UInt16].self {
        return try cast(type, integers(message, cursor, [UInt16].self, cmsgpack_read_uint16) as [UInt16])
    }
    if type == [UInt32].self {
        return try cast(type, integers(message, cursor, [UInt32].self, cmsgpack_read_uint32) as [UInt32])
    }
    if type == [UInt64].self {
        return try cast(type, integers(message, cursor, [UInt64].self, cmsgpack_read_uint64) as [UInt64])
    }
    if type == [UInt].self {
        return try cast(type, integers(message, cursor, [UInt].self, readUInts) as [UInt])
    }
    return nil
}

@inline(__always)
private func cast<Element, T>(_ type: T.Type, _ array: [Element]) -> T { identity(array, as: T.self) }

private func integers<I: FixedWidthInteger>(
    _ message: Message,
    _ cursor: cmsgpack_cursor,
    _ type: Any.Type,
    _ read: BulkReader
) throws(MessagePackError) -> [I] {
    try elements(message, cursor, type, read, { readInteger($0) })
}

/// Reads an array: in bulk as long as that works, one by one where the elements take other forms.
private func elements<Element>(
    _ message: Message,
    _ cursor: cmsgpack_cursor,
    _ type: Any.Type,
    _ read: BulkReader,
    _ readOne: (Bytes) -> Element?,
    _ wanted: Wanted = .number
) throws(MessagePackError) -> [Element] {
    let (count, first) = try arrayHeader(message, cursor, type)
    var failure: MessagePackError?
    let array = [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
        var start: Bytes? = message.pointee.bytes + Int(first.offset)
        while initialized < count {
            let out = buffer.baseAddress.map { UnsafeMutableRawPointer($0 + initialized) }
            initialized += read(start, count - initialized, out, &start)
            guard initialized < count, let at = start else { break }
            guard let element = readOne(at) else {
                let offset = UInt32(at - message.pointee.bytes)
                let error = mismatch(Element.self, wanted, at, at: offset)
                failure = MessagePackError(
                    error.code,
                    error.message,
                    codingPath: ["[\(initialized)]"],
                    byteOffset: error.byteOffset
                )
                break
            }
            (buffer.baseAddress.unsafelyUnwrapped + initialized).initialize(to: element)
            initialized += 1
            // No container gets here, so no span is used up.
            let offset = UInt32(at - message.pointee.bytes)
            start = message.pointee.bytes + Int(cmsgpack_skip(message, cmsgpack_cursor(offset: offset, span: 0)).offset)
        }
    }
    if let failure { throw failure }
    return array
}

private func strings(_ message: Message, _ cursor: cmsgpack_cursor) throws(MessagePackError) -> [String] {
    var (count, place) = try arrayHeader(message, cursor, [String].self)
    var strings: [String] = []
    strings.reserveCapacity(count)
    while count > 0 {
        let start = message.pointee.bytes + Int(place.offset)
        guard let string = readString(start) else {
            let error = mismatch(String.self, .text, start, at: place.offset)
            throw MessagePackError(
                error.code,
                error.message,
                codingPath: ["[\(strings.count)]"],
                byteOffset: error.byteOffset
            )
        }
        strings.append(string)
        place = cmsgpack_skip(message, place)
        count -= 1
    }
    return strings
}

/// The count of an array's elements and the place of the first.
func arrayHeader(
    _ message: Message,
    _ cursor: cmsgpack_cursor,
    _ type: Any.Type
) throws(MessagePackError) -> (count: Int, first: cmsgpack_cursor) {
    let start = message.pointee.bytes + Int(cursor.offset)
    let token = cmsgpack_read(start)
    guard cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_ARRAY else {
        throw mismatch(type, .array, start, at: cursor.offset)
    }
    let first = cmsgpack_cursor(
        offset: cursor.offset + UInt32(token.header),
        span: cursor.span + (token.number == 0 ? 0 : 1)
    )
    return (Int(token.number), first)
}
