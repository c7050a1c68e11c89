// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

extension WellKnownType {
    /// Reads a value whose type is this one.
    ///
    /// The error's path leads from here on only.
    func read<T>(
        _ type: T.Type,
        _ message: Message,
        _ cursor: cmsgpack_cursor
    ) throws(MessagePackError) -> T {
        let start = message.pointee.bytes + Int(cursor.offset)
        let at = ArrayPlace(message: message, cursor: cursor)
        switch self {
        case .none: throw mismatch(type, .map, start, at: cursor.offset)
        case .bool: return try same(type, readBool(start), .bool, start, cursor)
        case .int: return try same(type, readInteger(start, as: Int.self), .number, start, cursor)
        case .int8: return try same(type, readInteger(start, as: Int8.self), .number, start, cursor)
        case .int16: return try same(type, readInteger(start, as: Int16.self), .number, start, cursor)
        case .int32: return try same(type, readInteger(start, as: Int32.self), .number, start, cursor)
        case .int64: return try same(type, readInteger(start, as: Int64.self), .number, start, cursor)
        case .uint: return try same(type, readInteger(start, as: UInt.self), .number, start, cursor)
        case .uint8: return try same(type, readInteger(start, as: UInt8.self), .number, start, cursor)
        case .uint16: return try same(type, readInteger(start, as: UInt16.self), .number, start, cursor)
        case .uint32: return try same(type, readInteger(start, as: UInt32.self), .number, start, cursor)
        case .uint64: return try same(type, readInteger(start, as: UInt64.self), .number, start, cursor)
        case .float: return try same(type, readFloat(start), .number, start, cursor)
        case .double: return try same(type, readDouble(start), .number, start, cursor)
        case .string: return try same(type, readString(start), .text, start, cursor)
        case .date: return try same(type, readTimestamp(start)?.date, .timestamp, start, cursor)
        case .timestamp: return try same(type, readTimestamp(start), .timestamp, start, cursor)
        case .value: return identity(try Value(reading: message, at: cursor), as: type)
        case .encoded:
            let end = cmsgpack_skip(message, cursor).offset
            return identity(EncodedValue(copying: message, from: cursor.offset, to: end), as: type)
        case .encodedValues: return identity(try at.encodedValues(), as: type)
        case .bytes: return identity(try at.bytes(), as: type)
        case .blobs: return identity(try at.blobs(), as: type)
        case .data:
            if let bytes = readBinary(start) { return identity(Data(bytes), as: type) }
            return identity(Data(try at.integers(Data.self, cmsgpack_read_uint8) as [UInt8]), as: type)
        case .bools: return identity(try at.elements(cmsgpack_read_bool, readBool, .bool) as [Bool], as: type)
        case .ints: return identity(try at.integers(type, readInts) as [Int], as: type)
        case .int8s: return identity(try at.integers(type, cmsgpack_read_int8) as [Int8], as: type)
        case .int16s: return identity(try at.integers(type, cmsgpack_read_int16) as [Int16], as: type)
        case .int32s: return identity(try at.integers(type, cmsgpack_read_int32) as [Int32], as: type)
        case .int64s: return identity(try at.integers(type, cmsgpack_read_int64) as [Int64], as: type)
        case .uints: return identity(try at.integers(type, readUInts) as [UInt], as: type)
        case .uint16s: return identity(try at.integers(type, cmsgpack_read_uint16) as [UInt16], as: type)
        case .uint32s: return identity(try at.integers(type, cmsgpack_read_uint32) as [UInt32], as: type)
        case .uint64s: return identity(try at.integers(type, cmsgpack_read_uint64) as [UInt64], as: type)
        case .floats: return identity(try at.elements(cmsgpack_read_float, readFloat) as [Float], as: type)
        case .doubles: return identity(try at.elements(cmsgpack_read_double, readDouble) as [Double], as: type)
        case .strings: return identity(try at.strings(), as: type)
        case .stringsByName: return identity(try at.pairs(.string) as [String: String], as: type)
        case .intsByName: return identity(try at.pairs(.int) as [String: Int], as: type)
        case .doublesByName: return identity(try at.pairs(.double) as [String: Double], as: type)
        case .boolsByName: return identity(try at.pairs(.bool) as [String: Bool], as: type)
        case .valuesByName: return identity(try at.pairs(.value) as [String: Value], as: type)
        }
    }
}

extension WellKnownType {
    /// Whether values of this type may be small, and are no containers.
    var isSmall: Bool { WellKnownType.bool.rawValue...WellKnownType.string.rawValue ~= rawValue }

    /// Reads a value of such a type from the bytes of a small value, which need no scan.
    func readSmall<T>(_ type: T.Type, _ bytes: UnsafeRawBufferPointer) throws -> T {
        // No optional: the type of one would be looked up each time.
        var message = cmsgpack_message()
        message.bytes = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        message.count = UInt32(bytes.count)
        return try read(type, &message, cmsgpack_cursor(offset: 0, span: 0))
    }
}

#if _pointerBitWidth(_64)
private var readInts: ArrayPlace.BulkReader { cmsgpack_read_int64 }
private var readUInts: ArrayPlace.BulkReader { cmsgpack_read_uint64 }
#else
private var readInts: ArrayPlace.BulkReader { cmsgpack_read_int32 }
private var readUInts: ArrayPlace.BulkReader { cmsgpack_read_uint32 }
#endif

extension EncodedValue {
    /// Takes the bytes of a value of a message.
    init(copying message: Message, from start: UInt32, to end: UInt32) {
        let bytes = UnsafeBufferPointer(start: message.pointee.bytes + Int(start), count: Int(end - start))
        self.init(unchecked: [UInt8](bytes))
    }
}

@inline(__always)
private func same<Read, T>(
    _ type: T.Type,
    _ value: Read?,
    _ wanted: Wanted,
    _ start: Bytes,
    _ cursor: cmsgpack_cursor
) throws(MessagePackError) -> T {
    guard let value else { throw mismatch(type, wanted, start, at: cursor.offset) }
    return identity(value, as: type)
}
