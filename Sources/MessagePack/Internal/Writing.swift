// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

typealias Writer = UnsafeMutablePointer<cmsgpack_writer>

extension cmsgpack_writer {
    /// Writes into memory of somebody else's, and into its own when that is too little.
    @inline(__always)
    init(borrowing buffer: UnsafeMutableBufferPointer<UInt8>) {
        self.init(bytes: buffer.baseAddress, count: 0, capacity: buffer.count, borrowed: buffer.baseAddress)
    }
}

@inline(__always)
func writeBool(_ value: Bool, _ writer: Writer) {
    cmsgpack_writer_append_byte(writer, value ? 0xc3 : 0xc2)
}

@inline(__always)
func writeSigned(_ value: Int64, _ writer: Writer) {
    // -32 ... 127 are their own byte.
    if UInt64(bitPattern: value &+ 32) < 160 {
        cmsgpack_writer_append_byte(writer, UInt8(truncatingIfNeeded: value))
    } else {
        cmsgpack_pack_int64(writer, value)
    }
}

@inline(__always)
func writeUnsigned(_ value: UInt64, _ writer: Writer) {
    if value < 128 {
        cmsgpack_writer_append_byte(writer, UInt8(truncatingIfNeeded: value))
    } else {
        cmsgpack_pack_uint64(writer, value)
    }
}

/// Writes a string; one of 4 GiB or more is noted in `state` as the encoder's failure.
@inline(__always)
func writeString(_ value: String, _ writer: Writer, _ state: EncodingState) {
    if !writeString(value, writer) { state.recordTooLongString() }
}

/// Writes a string; false, and nothing written, for one of 4 GiB or more.
@inline(__always)
func writeString(_ value: String, _ writer: Writer) -> Bool {
    value.utf8.withContiguousStorageIfAvailable { cmsgpack_pack_string(writer, $0.baseAddress, $0.count) }
        ?? writeForeignString(value, writer)
}

/// Writes a string that lives outside the native storage, as bridged ones do elsewhere.
@inline(never)
private func writeForeignString(_ value: String, _ writer: Writer) -> Bool {
    [UInt8](value.utf8).withUnsafeBufferPointer { cmsgpack_pack_string(writer, $0.baseAddress, $0.count) }
}

func writeBytes(_ bytes: [UInt8], _ writer: Writer) throws(MessagePackError) {
    guard bytes.count <= UInt32.max else { throw tooLong("a binary value") }
    cmsgpack_pack_bin(writer, bytes.count)
    bytes.withUnsafeBytes { cmsgpack_writer_append(writer, $0.baseAddress, $0.count) }
}

func writeExtension(_ type: Int8, _ bytes: [UInt8], _ writer: Writer) throws(MessagePackError) {
    guard bytes.count <= UInt32.max else { throw tooLong("an extension") }
    cmsgpack_pack_ext(writer, bytes.count, type)
    bytes.withUnsafeBytes { cmsgpack_writer_append(writer, $0.baseAddress, $0.count) }
}

func tooLong(_ what: String) -> MessagePackError {
    MessagePackError(.tooLong, "\(what) is longer than the 4294967295 MessagePack allows")
}
