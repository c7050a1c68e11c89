// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import MessagePack

/// Writes the few MessagePack forms that envelopes and what is sent most are made of: the usual arguments of actors and
/// states, and the work of swarms.
///
/// Every call passes here, so it is done by hand. Most messages are small: they are written to the stack and copied once,
/// because an array that grows field by field takes several times as long.
package struct FieldWriter: ~Copyable {
    private static let smallByteCount = 256
    /// Where it is written, as long as that is little.
    private let small: UnsafeMutableRawPointer
    private var smallCount = 0
    /// How many bytes go there; 0 once there have been more.
    private var smallRoom = FieldWriter.smallByteCount
    /// All that has been written, once it is more.
    private var large: [UInt8] = []

    private init(_ small: UnsafeMutableRawPointer) { self.small = small }

    /// Writes an array.
    ///
    /// - Parameters:
    ///   - count: of its elements.
    ///   - capacity: about how many bytes they have, besides some 64.
    ///   - write: writes them.
    /// - Returns: the bytes of the array.
    package static func bytes(
        count: Int,
        capacity: Int = 0,
        _ write: (inout FieldWriter) throws -> Void
    ) rethrows -> [UInt8] {
        try withUnsafeTemporaryAllocation(byteCount: smallByteCount, alignment: 8) { small in
            // A buffer of some bytes has an address.
            guard let start = small.baseAddress else { return [] }
            var writer = FieldWriter(start)
            if capacity + 64 > smallByteCount { writer.becomeLarge(capacity + 64) }
            writer.append(arrayOf: count)
            try write(&writer)
            return writer.finish()
        }
    }

    /// Writes an array whose first element is a number, as ``bytes(count:capacity:_:)`` does.
    package static func bytes(
        count: Int,
        first: UInt64,
        capacity: Int = 0,
        _ write: (inout FieldWriter) throws -> Void
    ) rethrows -> [UInt8] {
        try bytes(count: count, capacity: capacity) { writer in
            writer.append(first)
            try write(&writer)
        }
    }

    private consuming func finish() -> [UInt8] {
        if smallRoom > 0 { becomeLarge(smallCount) }
        return large
    }

    package mutating func append(_ number: UInt64) {
        switch number {
        case 0..<0x80: append(byte: UInt8(truncatingIfNeeded: number))
        case 0x80..<0x100: append(marker: 0xcc, UInt8(truncatingIfNeeded: number))
        case 0x100..<0x1_0000: append(marker: 0xcd, UInt16(truncatingIfNeeded: number))
        case 0x1_0000..<0x1_0000_0000: append(marker: 0xce, UInt32(truncatingIfNeeded: number))
        default: append(marker: 0xcf, number)
        }
    }

    package mutating func append(_ text: String) {
        // Not `withUTF8`, which is for a copy of one's own, for which a reference would be counted.
        let isWritten: Void? = text.utf8.withContiguousStorageIfAvailable { append(utf8: $0) }
        if isWritten == nil { Array(text.utf8).withUnsafeBufferPointer { append(utf8: $0) } }
    }

    private mutating func append(utf8: UnsafeBufferPointer<UInt8>) {
        switch utf8.count {
        case 0..<32: append(byte: 0xa0 | UInt8(truncatingIfNeeded: utf8.count))
        case 32..<0x100: append(marker: 0xd9, UInt8(truncatingIfNeeded: utf8.count))
        case 0x100..<0x1_0000: append(marker: 0xda, UInt16(truncatingIfNeeded: utf8.count))
        default: append(marker: 0xdb, UInt32(truncatingIfNeeded: utf8.count))
        }
        append(raw: UnsafeRawBufferPointer(utf8))
    }

    package mutating func append(_ binary: [UInt8]) {
        append(binaryOf: binary.count)
        binary.withUnsafeBytes { append(raw: $0) }
    }

    package mutating func append(_ binary: ArraySlice<UInt8>) {
        append(binaryOf: binary.count)
        binary.withUnsafeBytes { append(raw: $0) }
    }

    /// Begins binary, whose bytes come next.
    mutating func append(binaryOf count: Int) {
        switch count {
        case 0..<0x100: append(marker: 0xc4, UInt8(truncatingIfNeeded: count))
        case 0x100..<0x1_0000: append(marker: 0xc5, UInt16(truncatingIfNeeded: count))
        default: append(marker: 0xc6, UInt32(truncatingIfNeeded: count))
        }
    }

    package mutating func append(_ value: EncodedValue) { value.bytes.withUnsafeBytes { append(raw: $0) } }

    /// Appends any value as the encoder writes it.
    package mutating func append<Value: Encodable>(_ value: Value, with encoder: MessagePackEncoder) throws {
        try encoder.encode(value) { append(raw: UnsafeRawBufferPointer($0)) }
    }

    /// Begins an array.
    package mutating func append(arrayOf count: Int) {
        switch count {
        case 0..<16: append(byte: 0x90 | UInt8(truncatingIfNeeded: count))
        case 16..<0x1_0000: append(marker: 0xdc, UInt16(truncatingIfNeeded: count))
        default: append(marker: 0xdd, UInt32(truncatingIfNeeded: count))
        }
    }

    package mutating func append(_ flag: Bool) { append(byte: flag ? 0xc3 : 0xc2) }

    package mutating func appendNil() { append(byte: 0xc0) }

    package mutating func append(_ texts: [String]) { append(texts[...]) }

    package mutating func append(_ texts: ArraySlice<String>) {
        append(arrayOf: texts.count)
        for text in texts { append(text) }
    }

    mutating func append(_ peer: PeerInfo) {
        append(UInt64(peer.protocolVersion))
        append(peer.build)
        append(peer.node.number)
        append(UInt64(peer.processID))
    }

    // MARK: Bytes

    @inline(__always)
    private mutating func append(byte: UInt8) {
        if hasRoom(for: 1) {
            small.storeBytes(of: byte, toByteOffset: smallCount, as: UInt8.self)
            smallCount += 1
        } else {
            large.append(byte)
        }
    }

    private mutating func append<Number: FixedWidthInteger>(marker: UInt8, _ number: Number) {
        append(byte: marker)
        withUnsafeBytes(of: number.bigEndian) { append(raw: $0) }
    }

    @inline(__always)
    private mutating func append(raw bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        if hasRoom(for: bytes.count) {
            (small + smallCount).copyMemory(from: start, byteCount: bytes.count)
            smallCount += bytes.count
        } else {
            large.append(contentsOf: bytes)
        }
    }

    /// Whether so many more bytes go to the stack; if not, all is in the array afterwards.
    @inline(__always)
    private mutating func hasRoom(for count: Int) -> Bool {
        if count <= smallRoom - smallCount { return true }
        if smallRoom > 0 { becomeLarge(max(2 * smallCount, smallCount + count)) }
        return false
    }

    /// Goes on in an array of that capacity.
    private mutating func becomeLarge(_ capacity: Int) {
        large.reserveCapacity(capacity)
        large.append(contentsOf: UnsafeRawBufferPointer(start: small, count: smallCount))
        (smallRoom, smallCount) = (0, 0)
    }
}
