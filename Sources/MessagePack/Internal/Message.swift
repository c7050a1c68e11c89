// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// A scanned message.
///
/// The pointee lives as long as the `DecodingState` or the call that scanned it.
typealias Message = UnsafeMutablePointer<cmsgpack_message>

/// Checks all of `bytes` and hands over the message they are, for the time of the call.
func withScannedMessage<Result>(
    _ bytes: UnsafeRawBufferPointer,
    _ limits: MessagePackDecoder.Limits,
    _ body: (inout cmsgpack_message) throws -> Result
) throws -> Result {
    var message = cmsgpack_message()
    defer { cmsgpack_message_free(&message) }
    try scan(bytes, limits, &message)
    return try body(&message)
}

/// Checks all of `bytes`: one value, whole, within the limits, and nothing after it.
func scan(
    _ bytes: UnsafeRawBufferPointer,
    _ limits: MessagePackDecoder.Limits,
    _ message: Message
) throws(MessagePackError) {
    // Offsets take 32 bits, and one more is needed to say "none".
    let maximum = min(limits.maximumByteCount, Int(UInt32.max) - 1)
    guard bytes.count <= maximum else {
        throw MessagePackError(
            .tooManyBytes,
            "the message has \(bytes.count) bytes, the limit is \(maximum); raise maximumByteCount to read it"
        )
    }
    message.pointee.bytes = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    message.pointee.count = UInt32(bytes.count)
    var end: UInt32 = 0
    var fault = cmsgpack_fault()
    let status = cmsgpack_scan(message, limits.raw, &end, &fault)
    guard status == CMSGPACK_OK else { throw scanError(status, fault, message, limits) }
    guard end == bytes.count else {
        throw MessagePackError(
            .trailingBytes,
            "\(bytes.count - Int(end)) bytes follow the value; hand in one message at a time",
            byteOffset: Int(end)
        )
    }
}

private func scanError(
    _ status: cmsgpack_status,
    _ fault: cmsgpack_fault,
    _ message: Message,
    _ limits: MessagePackDecoder.Limits
) -> MessagePackError {
    let offset = Int(fault.offset)
    let left = Int(message.pointee.count) - offset
    let (code, text): (MessagePackError.Code, String) =
        switch status {
        case CMSGPACK_EMPTY: (.truncated, "there are no bytes, and so no value")
        case CMSGPACK_TRUNCATED where left == 0: (.truncated, "the bytes end where a value should start")
        case CMSGPACK_TRUNCATED:
            (.truncated, "\(describe(message.pointee.bytes[offset])) goes past the end, \(left) bytes from its start")
        case CMSGPACK_RESERVED_BYTE: (.reservedByte, "0xc1 starts no value; these bytes are not MessagePack")
        case CMSGPACK_TOO_DEEP:
            (
                .tooDeep,
                "arrays and maps are nested more than \(limits.maximumDepth) deep; raise maximumDepth to read it"
            )
        case CMSGPACK_TOO_LONG:
            (
                .tooLong,
                "\(describe(message.pointee.bytes[offset])) claims a length of \(fault.claimed), the limit is "
                    + "\(limits.maximumLength); raise maximumLength to read it"
            )
        default:
            (
                .tooManyValues,
                "the message has more than \(limits.maximumValueCount) values; raise maximumValueCount to read it"
            )
        }
    return MessagePackError(code, text, codingPath: path(in: message, from: 0, to: offset), byteOffset: offset)
}

/// The keys and indices that lead from the value at `start` to the one at `target`.
///
/// Values before it must be whole.
func path(in message: Message, from start: Int, to target: Int) -> [String] {
    var open: [(isMap: Bool, next: Int, remaining: Int, key: Int?)] = []
    var offset = start
    walk: while offset < target {
        while let last = open.last, last.remaining == 0 { open.removeLast() }
        if offset > start && open.isEmpty { break }
        if let last = open.indices.last {
            open[last].remaining -= 1
            open[last].key = open[last].isMap && !open[last].next.isMultiple(of: 2) ? open[last].key : offset
            open[last].next += 1
        }
        let token = cmsgpack_read(message.pointee.bytes + offset)
        offset += Int(token.header)
        switch cmsgpack_kind(UInt32(token.kind)) {
        case CMSGPACK_ARRAY: open.append((false, 0, Int(token.number), nil))
        case CMSGPACK_MAP: open.append((true, 0, Int(token.number) * 2, nil))
        case CMSGPACK_STR, CMSGPACK_BIN, CMSGPACK_EXT: offset += Int(token.number)
        case CMSGPACK_FLOAT: offset += 4
        case CMSGPACK_DOUBLE: offset += 8
        default: break
        }
    }
    while let last = open.last, last.remaining == 0 { open.removeLast() }
    var steps: [String] = []
    for (level, container) in open.enumerated() {
        // The innermost container has not begun with the target yet; those around it have begun with the next one.
        let begun = level == open.count - 1 ? container.next : container.next - 1
        if !container.isMap {
            steps.append("[\(begun)]")
        } else if !begun.isMultiple(of: 2), let key = container.key {
            steps.append(keyName(message, at: key))
        }
    }
    return steps
}

/// A key as a coding path shows it.
func keyName(_ message: Message, at offset: Int) -> String {
    let start = message.pointee.bytes + offset
    let token = cmsgpack_read(start)
    switch cmsgpack_kind(UInt32(token.kind)) {
    case CMSGPACK_STR:
        let text = UnsafeBufferPointer(start: start + Int(token.header), count: Int(token.number))
        return String(decoding: text, as: UTF8.self)
    case CMSGPACK_INT: return "\(Int64(bitPattern: token.number))"
    default: return "(\(describe(start.pointee)))"
    }
}

func invalidText(at offset: Int) -> MessagePackError {
    MessagePackError(.invalidText, "a string is not valid UTF-8; send such bytes as a binary value", byteOffset: offset)
}

func unsupportedKey(_ first: UInt8, at offset: Int) -> MessagePackError {
    MessagePackError(
        .unsupportedKey,
        "a key is \(describe(first)), where a string or an integer that fits 64 signed bits is needed; decode a Value",
        byteOffset: offset
    )
}

/// What kind of value a first byte starts.
func describe(_ first: UInt8) -> String {
    switch first {
    case 0xc0: "nil"
    case 0xc2, 0xc3: "a boolean"
    case 0x00...0x7f, 0xcc...0xd3, 0xe0...0xff: "an integer"
    case 0xca, 0xcb: "a floating-point number"
    case 0xa0...0xbf, 0xd9...0xdb: "a string"
    case 0xc4...0xc6: "a binary value"
    case 0x90...0x9f, 0xdc, 0xdd: "an array"
    case 0x80...0x8f, 0xde, 0xdf: "a map"
    case 0xc7...0xc9, 0xd4...0xd8: "an extension"
    default: "the reserved byte 0xc1"
    }
}
