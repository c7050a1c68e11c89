// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

extension WellKnownType {
    /// Writes a value whose type is this one, with at most `depth` arrays and maps around anything in it.
    func write<T>(_ value: T, to writer: Writer, depth: Int) throws(MessagePackError) {
        switch self {
        case .none: break
        case .bool: writeBool(identity(value), writer)
        case .int: writeSigned(Int64(identity(value, as: Int.self)), writer)
        case .int8: writeSigned(Int64(identity(value, as: Int8.self)), writer)
        case .int16: writeSigned(Int64(identity(value, as: Int16.self)), writer)
        case .int32: writeSigned(Int64(identity(value, as: Int32.self)), writer)
        case .int64: writeSigned(identity(value), writer)
        case .uint: writeUnsigned(UInt64(identity(value, as: UInt.self)), writer)
        case .uint8: writeUnsigned(UInt64(identity(value, as: UInt8.self)), writer)
        case .uint16: writeUnsigned(UInt64(identity(value, as: UInt16.self)), writer)
        case .uint32: writeUnsigned(UInt64(identity(value, as: UInt32.self)), writer)
        case .uint64: writeUnsigned(identity(value), writer)
        case .float: cmsgpack_pack_float(writer, identity(value))
        case .double: cmsgpack_pack_double(writer, identity(value))
        case .string: if !writeString(identity(value), writer) { throw tooLong("a string") }
        case .bytes: try writeBytes(identity(value), writer)
        case .data: try writeData(identity(value), writer)
        case .date: try writeDate(identity(value), writer)
        case .timestamp:
            let time: MessagePackTimestamp = identity(value)
            cmsgpack_pack_time(writer, time.seconds, time.nanoseconds)
        case .value: try identity(value, as: Value.self).write(to: writer, depth: depth)
        case .encoded: writeEncoded(identity(value), writer)
        case .blobs: try writeBlobs(identity(value), writer)
        case .encodedValues: try writeEncodedValues(identity(value), writer)
        case .bools: try bulk(identity(value, as: [Bool].self), writer, cmsgpack_pack_array_bool)
        case .ints: try bulk(identity(value, as: [Int].self), writer, writeInts)
        case .int8s: try bulk(identity(value, as: [Int8].self), writer, cmsgpack_pack_array_int8)
        case .int16s: try bulk(identity(value, as: [Int16].self), writer, cmsgpack_pack_array_int16)
        case .int32s: try bulk(identity(value, as: [Int32].self), writer, cmsgpack_pack_array_int32)
        case .int64s: try bulk(identity(value, as: [Int64].self), writer, cmsgpack_pack_array_int64)
        case .uints: try bulk(identity(value, as: [UInt].self), writer, writeUInts)
        case .uint16s: try bulk(identity(value, as: [UInt16].self), writer, cmsgpack_pack_array_uint16)
        case .uint32s: try bulk(identity(value, as: [UInt32].self), writer, cmsgpack_pack_array_uint32)
        case .uint64s: try bulk(identity(value, as: [UInt64].self), writer, cmsgpack_pack_array_uint64)
        case .floats: try bulk(identity(value, as: [Float].self), writer, cmsgpack_pack_array_float)
        case .doubles: try bulk(identity(value, as: [Double].self), writer, cmsgpack_pack_array_double)
        case .strings: try writeStrings(identity(value), writer)
        case .stringsByName: try pairs(identity(value, as: [String: String].self), writer, .string)
        case .intsByName: try pairs(identity(value, as: [String: Int].self), writer, .int)
        case .doublesByName: try pairs(identity(value, as: [String: Double].self), writer, .double)
        case .boolsByName: try pairs(identity(value, as: [String: Bool].self), writer, .bool)
        case .valuesByName: try pairs(identity(value, as: [String: Value].self), writer, .value, depth)
        }
    }
}

extension WellKnownType {
    /// The most bytes that a value takes, where that is known at once and may be much.
    func largestByteCount<T>(of value: T) -> Int? {
        switch self {
        case .bytes: identity(value, as: [UInt8].self).count + Self.headerByteCount
        case .blobs:
            identity(value, as: [[UInt8]].self).reduce(Self.headerByteCount) { $0 + $1.count + Self.headerByteCount }
        default: nil
        }
    }

    private static let headerByteCount = 5
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

private func writeStrings(_ strings: [String], _ writer: Writer) throws(MessagePackError) {
    guard strings.count <= UInt32.max else { throw tooLong("an array") }
    cmsgpack_pack_array(writer, strings.count)
    for string in strings where !writeString(string, writer) { throw tooLong("a string") }
}

private func writeBlobs(_ blobs: [[UInt8]], _ writer: Writer) throws(MessagePackError) {
    guard blobs.count <= UInt32.max else { throw tooLong("an array") }
    cmsgpack_pack_array(writer, blobs.count)
    for blob in blobs { try writeBytes(blob, writer) }
}

private func writeEncoded(_ value: EncodedValue, _ writer: Writer) {
    value.bytes.withUnsafeBytes { cmsgpack_writer_append(writer, $0.baseAddress, $0.count) }
}

private func writeEncodedValues(_ values: [EncodedValue], _ writer: Writer) throws(MessagePackError) {
    guard values.count <= UInt32.max else { throw tooLong("an array") }
    cmsgpack_pack_array(writer, values.count)
    for value in values { writeEncoded(value, writer) }
}

private typealias BulkWriter = (Writer, UnsafeRawPointer?, Int) -> Void

#if _pointerBitWidth(_64)
private var writeInts: BulkWriter { cmsgpack_pack_array_int64 }
private var writeUInts: BulkWriter { cmsgpack_pack_array_uint64 }
#else
private var writeInts: BulkWriter { cmsgpack_pack_array_int32 }
private var writeUInts: BulkWriter { cmsgpack_pack_array_uint32 }
#endif

/// An array of numbers: one loop instead of a call for each element.
@inline(__always)
private func bulk<Element>(_ array: [Element], _ writer: Writer, _ write: BulkWriter) throws(MessagePackError) {
    guard array.count <= UInt32.max else { throw tooLong("an array") }
    array.withUnsafeBytes { write(writer, $0.baseAddress, array.count) }
}

@inline(__always)
private func pairs<Element>(
    _ dictionary: [String: Element],
    _ writer: Writer,
    _ type: WellKnownType,
    _ depth: Int = .max
) throws(MessagePackError) {
    guard dictionary.count <= UInt32.max else { throw tooLong("a map") }
    cmsgpack_pack_map(writer, dictionary.count)
    for (key, value) in dictionary {
        guard writeString(key, writer) else { throw tooLong("a string") }
        try type.write(value, to: writer, depth: depth - 1)
    }
}
