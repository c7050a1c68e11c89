// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import MessagePack

/// Writes the few MessagePack forms that envelopes and what is sent most are made of: the usual arguments of actors and
/// states, and the work of swarms.
///
/// Every call passes here, so it is done by hand.
package struct FieldWriter {
    package private(set) var bytes: [UInt8] = []

    /// Begins an array.
    package init(count: Int, capacity: Int = 0) {
        bytes.reserveCapacity(capacity + 64)
        append(arrayOf: count)
    }

    /// Begins an array whose first element is a number.
    package init(count: Int, first: UInt64, capacity: Int = 0) {
        self.init(count: count, capacity: capacity)
        append(first)
    }

    package mutating func append(_ number: UInt64) {
        switch number {
        case 0..<0x80: bytes.append(UInt8(truncatingIfNeeded: number))
        case 0x80..<0x100: append(marker: 0xcc, UInt8(truncatingIfNeeded: number))
        case 0x100..<0x1_0000: append(marker: 0xcd, UInt16(truncatingIfNeeded: number))
        case 0x1_0000..<0x1_0000_0000: append(marker: 0xce, UInt32(truncatingIfNeeded: number))
        default: append(marker: 0xcf, number)
        }
    }

    package mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            switch utf8.count {
            case 0..<32: bytes.append(0xa0 | UInt8(truncatingIfNeeded: utf8.count))
            case 32..<0x100: append(marker: 0xd9, UInt8(truncatingIfNeeded: utf8.count))
            case 0x100..<0x1_0000: append(marker: 0xda, UInt16(truncatingIfNeeded: utf8.count))
            default: append(marker: 0xdb, UInt32(truncatingIfNeeded: utf8.count))
            }
            bytes.append(contentsOf: utf8)
        }
    }

    package mutating func append(_ binary: [UInt8]) { append(binary[...]) }

    package mutating func append(_ binary: ArraySlice<UInt8>) {
        append(binaryOf: binary.count)
        bytes.append(contentsOf: binary)
    }

    /// Begins binary, whose bytes come next.
    mutating func append(binaryOf count: Int) {
        switch count {
        case 0..<0x100: append(marker: 0xc4, UInt8(truncatingIfNeeded: count))
        case 0x100..<0x1_0000: append(marker: 0xc5, UInt16(truncatingIfNeeded: count))
        default: append(marker: 0xc6, UInt32(truncatingIfNeeded: count))
        }
    }

    package mutating func append(_ value: EncodedValue) { bytes.append(contentsOf: value.bytes) }

    /// Appends any value as the encoder writes it.
    package mutating func append<Value: Encodable>(_ value: Value, with encoder: MessagePackEncoder) throws {
        try encoder.encode(value, into: &bytes)
    }

    /// Begins an array.
    package mutating func append(arrayOf count: Int) {
        switch count {
        case 0..<16: bytes.append(0x90 | UInt8(truncatingIfNeeded: count))
        case 16..<0x1_0000: append(marker: 0xdc, UInt16(truncatingIfNeeded: count))
        default: append(marker: 0xdd, UInt32(truncatingIfNeeded: count))
        }
    }

    package mutating func append(_ flag: Bool) { bytes.append(flag ? 0xc3 : 0xc2) }

    package mutating func appendNil() { bytes.append(0xc0) }

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

    private mutating func append<Number: FixedWidthInteger>(marker: UInt8, _ number: Number) {
        bytes.append(marker)
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
