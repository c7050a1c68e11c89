// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Writes a value whose type this module knows, without its `encode(to:)`; false when it does not know the type.
///
/// Types are told by identity, sorted by size first, so that a type of the user's costs a handful of comparisons.
func writeWellKnown<T>(_ value: T, _ writer: Writer) throws(MessagePackError) -> Bool {
    switch MemoryLayout<T>.size {
    case 1:
        if T.self == Bool.self {
            writeBool(identity(value), writer)
        } else if T.self == UInt8.self {
            writeUnsigned(UInt64(identity(value, as: UInt8.self)), writer)
        } else if T.self == Int8.self {
            writeSigned(Int64(identity(value, as: Int8.self)), writer)
        } else {
            return false
        }
    case 2:
        if T.self == Int16.self {
            writeSigned(Int64(identity(value, as: Int16.self)), writer)
        } else if T.self == UInt16.self {
            writeUnsigned(UInt64(identity(value, as: UInt16.self)), writer)
        } else {
            return false
        }
    case 4:
        if T.self == Int32.self {
            writeSigned(Int64(identity(value, as: Int32.self)), writer)
        } else if T.self == UInt32.self {
            writeUnsigned(UInt64(identity(value, as: UInt32.self)), writer)
        } else if T.self == Float.self {
            cmsgpack_pack_float(writer, identity(value))
        } else {
            return false
        }
    case 8:
        if T.self == Int.self {
            writeSigned(Int64(identity(value, as: Int.self)), writer)
        } else if T.self == Double.self {
            cmsgpack_pack_double(writer, identity(value))
        } else if T.self == Date.self {
            try writeDate(identity(value), writer)
        } else if T.self == Int64.self {
            writeSigned(identity(value), writer)
        } else if T.self == UInt64.self {
            writeUnsigned(identity(value), writer)
        } else if T.self == UInt.self {
            writeUnsigned(UInt64(identity(value, as: UInt.self)), writer)
        } else if T.self == EncodedValue.self {
            let encoded: EncodedValue = identity(value)
            encoded.bytes.withUnsafeBytes { cmsgpack_writer_append(writer, $0.baseAddress, $0.count) }
        } else {
            return try writeArray(value, writer)
        }
    case MemoryLayout<String>.size where T.self == String.self:
        guard writeString(identity(value), writer) else { throw tooLong("a string") }
    case MemoryLayout<Data>.size where T.self == Data.self:
        try writeData(identity(value), writer)
    case MemoryLayout<MessagePackTimestamp>.size where T.self == MessagePackTimestamp.self:
        let time: MessagePackTimestamp = identity(value)
        cmsgpack_pack_time(writer, time.seconds, time.nanoseconds)
    case MemoryLayout<Value>.size where T.self == Value.self:
        try identity(value, as: Value.self).write(to: writer)
    default: return false
    }
    return true
}

/// The same value under the name of its own type, which the caller has compared with `T`.
@inline(__always)
func identity<T, Same>(_ value: T, as type: Same.Type = Same.self) -> Same {
    unsafeBitCast(value, to: Same.self)
}

private func writeDate(_ date: Date, _ writer: Writer) throws(MessagePackError) {
    guard let time = MessagePackTimestamp(date) else {
        let seconds = date.timeIntervalSinceReferenceDate
        throw MessagePackError(
            .unsupportedValue,
            "a date \(seconds) seconds from 2001 is not finite or too far away for a timestamp"
        )
    }
    cmsgpack_pack_time(writer, time.seconds, time.nanoseconds)
}

private func writeData(_ data: Data, _ writer: Writer) throws(MessagePackError) {
    guard data.count <= UInt32.max else { throw tooLong("a binary value") }
    cmsgpack_pack_bin(writer, data.count)
    data.withUnsafeBytes { cmsgpack_writer_append(writer, $0.baseAddress, $0.count) }
}

private typealias BulkWriter = (Writer, UnsafeRawPointer?, Int) -> Void

#if _pointerBitWidth(_64)
private var writeInts: BulkWriter { cmsgpack_pack_array_int64 }
private var writeUInts: BulkWriter { cmsgpack_pack_array_uint64 }
#else
private var writeInts: BulkWriter { cmsgpack_pack_array_int32 }
private var writeUInts: BulkWriter { cmsgpack_pack_array_uint32 }
#endif

/// Arrays of numbers and strings, and bytes: one loop instead of a call for each element.
private func writeArray<T>(_ value: T, _ writer: Writer) throws(MessagePackError) -> Bool {
    if T.self == [UInt8].self {
        try writeBytes(identity(value), writer)
    } else if T.self == [String].self {
        let strings: [String] = identity(value)
        guard strings.count <= UInt32.max else { throw tooLong("an array") }
        cmsgpack_pack_array(writer, strings.count)
        for string in strings where !writeString(string, writer) { throw tooLong("a string") }
    } else if T.self == [Int].self {
        try bulk(value, [Int].self, writer, writeInts)
    } else if T.self == [Double].self {
        try bulk(value, [Double].self, writer, cmsgpack_pack_array_double)
    } else if T.self == [Float].self {
        try bulk(value, [Float].self, writer, cmsgpack_pack_array_float)
    } else if T.self == [Bool].self {
        try bulk(value, [Bool].self, writer, cmsgpack_pack_array_bool)
    } else if T.self == [Int8].self {
        try bulk(value, [Int8].self, writer, cmsgpack_pack_array_int8)
    } else if T.self == [Int16].self {
        try bulk(value, [Int16].self, writer, cmsgpack_pack_array_int16)
    } else if T.self == [Int32].self {
        try bulk(value, [Int32].self, writer, cmsgpack_pack_array_int32)
    } else if T.self == [Int64].self {
        try bulk(value, [Int64].self, writer, cmsgpack_pack_array_int64)
    } else if T.self == [UInt16].self {
        try bulk(value, [UInt16].self, writer, cmsgpack_pack_array_uint16)
    } else if T.self == [UInt32].self {
        try bulk(value, [UInt32].self, writer, cmsgpack_pack_array_uint32)
    } else if T.self == [UInt64].self {
        try bulk(value, [UInt64].self, writer, cmsgpack_pack_array_uint64)
    } else if T.self == [UInt].self {
        try bulk(value, [UInt].self, writer, writeUInts)
    } else {
        return false
    }
    return true
}

@inline(__always)
private func bulk<T, Element>(
    _ value: T,
    _ type: [Element].Type,
    _ writer: Writer,
    _ write: BulkWriter
) throws(MessagePackError) {
    let array: [Element] = identity(value)
    guard array.count <= UInt32.max else { throw tooLong("an array") }
    array.withUnsafeBytes { write(writer, $0.baseAddress, array.count) }
}
