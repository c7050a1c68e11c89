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
        // No smaller than the largest of these types.
        var memory: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        precondition(MemoryLayout<T>.size <= MemoryLayout.size(ofValue: memory))
        return try withUnsafeMutableBytes(of: &memory) { memory throws(MessagePackError) in
            let start = memory.baseAddress.unsafelyUnwrapped
            try read(into: start, type, message, cursor)
            // Not cast, which would copy it.
            return start.assumingMemoryBound(to: type).move()
        }
    }

    /// Makes the value in memory that has none yet.
    private func read(
        into memory: UnsafeMutableRawPointer,
        _ type: Any.Type,
        _ message: Message,
        _ cursor: cmsgpack_cursor
    ) throws(MessagePackError) {
        let start = message.pointee.bytes + Int(cursor.offset)
        let at = ArrayPlace(message: message, cursor: cursor)
        switch self {
        case .none: throw mismatch(type, .map, start, at: cursor.offset)
        case .bool: try put(readBool(start), into: memory, type, .bool, start, cursor)
        case .int: try put(readInteger(start, as: Int.self), into: memory, type, .number, start, cursor)
        case .int8: try put(readInteger(start, as: Int8.self), into: memory, type, .number, start, cursor)
        case .int16: try put(readInteger(start, as: Int16.self), into: memory, type, .number, start, cursor)
        case .int32: try put(readInteger(start, as: Int32.self), into: memory, type, .number, start, cursor)
        case .int64: try put(readInteger(start, as: Int64.self), into: memory, type, .number, start, cursor)
        case .uint: try put(readInteger(start, as: UInt.self), into: memory, type, .number, start, cursor)
        case .uint8: try put(readInteger(start, as: UInt8.self), into: memory, type, .number, start, cursor)
        case .uint16: try put(readInteger(start, as: UInt16.self), into: memory, type, .number, start, cursor)
        case .uint32: try put(readInteger(start, as: UInt32.self), into: memory, type, .number, start, cursor)
        case .uint64: try put(readInteger(start, as: UInt64.self), into: memory, type, .number, start, cursor)
        case .float: try put(readFloat(start), into: memory, type, .number, start, cursor)
        case .double: try put(readDouble(start), into: memory, type, .number, start, cursor)
        case .string: try put(readString(start), into: memory, type, .text, start, cursor)
        case .date: try put(readTimestamp(start)?.date, into: memory, type, .timestamp, start, cursor)
        case .timestamp: try put(readTimestamp(start), into: memory, type, .timestamp, start, cursor)
        case .value: put(try Value(reading: message, at: cursor), into: memory)
        case .encoded:
            let end = cmsgpack_skip(message, cursor).offset
            put(EncodedValue(copying: message, from: cursor.offset, to: end), into: memory)
        case .encodedValues: put(try at.encodedValues(), into: memory)
        case .bytes: put(try at.bytes(), into: memory)
        case .blobs: put(try at.blobs(), into: memory)
        case .data:
            if let bytes = readBinary(start) { return put(Data(bytes), into: memory) }
            put(Data(try at.integers(Data.self, cmsgpack_read_uint8) as [UInt8]), into: memory)
        case .bools: put(try at.elements(cmsgpack_read_bool, readBool, .bool) as [Bool], into: memory)
        case .ints: put(try at.integers(type, readInts) as [Int], into: memory)
        case .int8s: put(try at.integers(type, cmsgpack_read_int8) as [Int8], into: memory)
        case .int16s: put(try at.integers(type, cmsgpack_read_int16) as [Int16], into: memory)
        case .int32s: put(try at.integers(type, cmsgpack_read_int32) as [Int32], into: memory)
        case .int64s: put(try at.integers(type, cmsgpack_read_int64) as [Int64], into: memory)
        case .uints: put(try at.integers(type, readUInts) as [UInt], into: memory)
        case .uint16s: put(try at.integers(type, cmsgpack_read_uint16) as [UInt16], into: memory)
        case .uint32s: put(try at.integers(type, cmsgpack_read_uint32) as [UInt32], into: memory)
        case .uint64s: put(try at.integers(type, cmsgpack_read_uint64) as [UInt64], into: memory)
        case .floats: put(try at.elements(cmsgpack_read_float, readFloat) as [Float], into: memory)
        case .doubles: put(try at.elements(cmsgpack_read_double, readDouble) as [Double], into: memory)
        case .strings: put(try at.strings(), into: memory)
        case .stringsByName: put(try at.pairs(.string) as [String: String], into: memory)
        case .intsByName: put(try at.pairs(.int) as [String: Int], into: memory)
        case .doublesByName: put(try at.pairs(.double) as [String: Double], into: memory)
        case .boolsByName: put(try at.pairs(.bool) as [String: Bool], into: memory)
        case .valuesByName: put(try at.pairs(.value) as [String: Value], into: memory)
        }
    }
}

extension WellKnownType {
    /// Whether values of this type may be small, and are no containers.
    var isSmall: Bool { WellKnownType.bool.rawValue...WellKnownType.string.rawValue ~= rawValue }

    /// Reads a value of such a type from the bytes of a small value, which need no scan.
    func readSmall<T>(_ type: T.Type, _ bytes: UnsafeRawBufferPointer) throws -> T {
        if let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) {
            // These come most often, and so small they are cast in less time than moved.
            switch self {
            case .int: if let value = readInteger(start, as: Int.self) { return identity(value) }
            case .string: if let value = readString(start) { return identity(value) }
            case .bool: if let value = readBool(start) { return identity(value) }
            case .double: if let value = readDouble(start) { return identity(value) }
            default: break
            }
        }
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
private func put<Read>(
    _ value: Read?,
    into memory: UnsafeMutableRawPointer,
    _ type: Any.Type,
    _ wanted: Wanted,
    _ start: Bytes,
    _ cursor: cmsgpack_cursor
) throws(MessagePackError) {
    guard let value else { throw mismatch(type, wanted, start, at: cursor.offset) }
    put(value, into: memory)
}

@inline(__always)
private func put<Read>(_ value: Read, into memory: UnsafeMutableRawPointer) {
    memory.initializeMemory(as: Read.self, to: value)
}
