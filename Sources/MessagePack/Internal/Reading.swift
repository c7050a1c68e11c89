// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

// Readers of single values. They return nil when the value is another; `mismatch` then says what is wrong with it.

typealias Bytes = UnsafePointer<UInt8>

@inline(__always)
func readBool(_ start: Bytes) -> Bool? {
    switch start.pointee {
    case 0xc2: false
    case 0xc3: true
    default: nil
    }
}

@inline(__always)
func readInteger<I: FixedWidthInteger>(_ start: Bytes, as type: I.Type = I.self) -> I? {
    let first = start.pointee
    if first < 0x80 { return I(truncatingIfNeeded: first) }
    // The integers of two and four bytes, which most of the others are.
    if first == 0xcd { return I(exactly: cmsgpack_load16(start + 1)) }
    if first == 0xce { return I(exactly: cmsgpack_load32(start + 1)) }
    let token = cmsgpack_read(start)
    switch cmsgpack_kind(UInt32(token.kind)) {
    case CMSGPACK_INT: return I(exactly: Int64(bitPattern: token.number))
    case CMSGPACK_UINT: return I(exactly: token.number)
    default: return nil
    }
}

@inline(__always)
func readDouble(_ start: Bytes) -> Double? {
    if start.pointee == 0xcb { return Double(bitPattern: cmsgpack_load64(start + 1)) }
    return convertToDouble(start)
}

private func convertToDouble(_ start: Bytes) -> Double? {
    let token = cmsgpack_read(start)
    switch cmsgpack_kind(UInt32(token.kind)) {
    case CMSGPACK_FLOAT: return Double(Float(bitPattern: UInt32(truncatingIfNeeded: token.number)))
    case CMSGPACK_INT: return Double(exactly: Int64(bitPattern: token.number))
    case CMSGPACK_UINT: return Double(exactly: token.number)
    default: return nil
    }
}

func readFloat(_ start: Bytes) -> Float? {
    let token = cmsgpack_read(start)
    switch cmsgpack_kind(UInt32(token.kind)) {
    case CMSGPACK_FLOAT: return Float(bitPattern: UInt32(truncatingIfNeeded: token.number))
    case CMSGPACK_DOUBLE:
        let value = Double(bitPattern: token.number)
        return value.isNaN ? .nan : Float(exactly: value)
    case CMSGPACK_INT: return Float(exactly: Int64(bitPattern: token.number))
    case CMSGPACK_UINT: return Float(exactly: token.number)
    default: return nil
    }
}

@inline(__always)
func readString(_ start: Bytes) -> String? {
    let first = start.pointee
    if first & 0xe0 == 0xa0 {
        return String(checking: UnsafeBufferPointer(start: start + 1, count: Int(first & 0x1f)))
    }
    return readLongString(start)
}

private func readLongString(_ start: Bytes) -> String? {
    let token = cmsgpack_read(start)
    guard cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_STR else { return nil }
    return String(checking: UnsafeBufferPointer(start: start + Int(token.header), count: Int(token.number)))
}

extension String {
    /// Makes a string of bytes; nil when they are not UTF-8.
    ///
    /// `String(validating:as:)` does the same at several times the cost, and `String(decoding:as:)` checks them again.
    @inline(__always)
    package init?(checking text: UnsafeBufferPointer<UInt8>) {
        let kind = cmsgpack_check_text(text.baseAddress, text.count)
        guard kind != CMSGPACK_TEXT_INVALID else { return nil }
        // Checked above.
        let checked = UTF8Span(unchecked: text.span, isKnownASCII: kind == CMSGPACK_TEXT_ASCII)
        self.init(copying: checked)
    }
}

/// The payload of a binary value.
func readBinary(_ start: Bytes) -> UnsafeBufferPointer<UInt8>? {
    let token = cmsgpack_read(start)
    guard cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_BIN else { return nil }
    return UnsafeBufferPointer(start: start + Int(token.header), count: Int(token.number))
}

func readTimestamp(_ start: Bytes) -> MessagePackTimestamp? {
    let token = cmsgpack_read(start)
    guard cmsgpack_kind(UInt32(token.kind)) == CMSGPACK_EXT, token.ext == -1 else { return nil }
    return MessagePackTimestamp(
        payload: UnsafeBufferPointer(start: start + Int(token.header), count: Int(token.number))
    )
}

/// What a reader was asked for.
enum Wanted {
    case number, bool, text, binary, timestamp, array, map
}

/// Why the value at `start` cannot be what was wanted.
@inline(never)
func mismatch(_ type: Any.Type, _ wanted: Wanted, _ start: Bytes, at offset: UInt32) -> MessagePackError {
    let token = cmsgpack_read(start)
    let found = describe(start.pointee)
    let offset = Int(offset)
    func error(_ code: MessagePackError.Code, _ message: String) -> MessagePackError {
        MessagePackError(code, message, byteOffset: offset)
    }
    switch (wanted, cmsgpack_kind(UInt32(token.kind))) {
    case (_, CMSGPACK_NIL): return error(.valueNotFound, "expected \(type), found nil; decode an optional to allow it")
    case (.number, CMSGPACK_INT):
        return error(.numberOutOfRange, "\(Int64(bitPattern: token.number)) does not fit \(type)")
    case (.number, CMSGPACK_UINT): return error(.numberOutOfRange, "\(token.number) does not fit \(type)")
    case (.number, CMSGPACK_DOUBLE) where type == Float.self:
        return error(.numberOutOfRange, "\(Double(bitPattern: token.number)) does not fit \(type) exactly")
    case (.text, CMSGPACK_STR): return invalidText(at: offset)
    case (.timestamp, CMSGPACK_EXT) where token.ext == -1:
        return error(
            .invalidTimestamp,
            "a timestamp of \(token.number) bytes has another length or too many nanoseconds"
        )
    case (.timestamp, CMSGPACK_EXT):
        return error(.typeMismatch, "expected \(type), found an extension of type \(token.ext)")
    default: return error(.typeMismatch, "expected \(type), found \(found)")
    }
}
