// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack

/// Reads what ``FieldWriter`` writes, from bytes that may be anything.
package struct FieldReader {
    private let bytes: ArraySlice<UInt8>
    /// Of `bytes`, which may begin anywhere.
    private var position: Int

    package init(bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    package init(bytes: [UInt8]) { self.init(bytes: bytes[...]) }

    private var countLeft: Int { bytes.endIndex - position }

    package func malformed(_ found: String) -> TransportError {
        TransportError(.malformed, "not a message of the protocol: \(found) at byte \(position - bytes.startIndex)")
    }

    /// The number of elements of an array in the short form, at most 15.
    mutating func readShortArrayHeader() throws(TransportError) -> Int {
        let marker = try readByte()
        guard marker & 0xf0 == 0x90 else { throw malformed("no array") }
        return Int(marker & 0x0f)
    }

    /// The number of an array's elements; never more than there are bytes left.
    package mutating func readArrayHeader() throws(TransportError) -> Int {
        let marker = try readByte()
        let count: Int
        switch marker {
        case 0x90..<0xa0: count = Int(marker & 0x0f)
        case 0xdc: count = Int(try readInteger(UInt16.self))
        case 0xdd: count = Int(try readInteger(UInt32.self))
        default: throw malformed("no array")
        }
        guard count <= countLeft else { throw malformed("\(count) elements") }
        return count
    }

    /// Reads the header of an array of so many elements.
    package mutating func readArrayHeader(of count: Int) throws(TransportError) {
        let found = try readArrayHeader()
        guard found == count else { throw malformed("\(found) elements") }
    }

    package mutating func readBool() throws(TransportError) -> Bool {
        switch try readByte() {
        case 0xc2: return false
        case 0xc3: return true
        default: throw malformed("no boolean")
        }
    }

    package mutating func readUInt() throws(TransportError) -> UInt64 {
        let marker = try readByte()
        switch marker {
        case 0..<0x80: return UInt64(marker)
        case 0xcc: return UInt64(try readByte())
        case 0xcd: return UInt64(try readInteger(UInt16.self))
        case 0xce: return UInt64(try readInteger(UInt32.self))
        case 0xcf: return try readInteger(UInt64.self)
        default: throw malformed("no unsigned integer")
        }
    }

    /// Reads a string, which is not made when it is known.
    package mutating func readString(known: KnownStrings? = nil) throws(TransportError) -> String {
        let marker = try readByte()
        let count: Int
        switch marker {
        case 0xa0..<0xc0: count = Int(marker & 0x1f)
        case 0xd9: count = Int(try readByte())
        case 0xda: count = Int(try readInteger(UInt16.self))
        case 0xdb: count = Int(try readInteger(UInt32.self))
        default: throw malformed("no string")
        }
        guard count <= countLeft else { throw malformed("the end") }
        let start = position - bytes.startIndex
        let text = bytes.withUnsafeBufferPointer { bytes in
            let text = UnsafeBufferPointer(rebasing: bytes[start..<start + count])
            return if let known { known.string(text) } else { String(checking: text) }
        }
        guard let text else { throw malformed("invalid UTF-8") }
        position += count
        return text
    }

    package mutating func readStrings(atMost most: Int = .max) throws(TransportError) -> [String] {
        let count = try readArrayHeader()
        guard count <= most else { throw malformed("\(count) strings") }
        var texts: [String] = []
        for _ in 0..<count { texts.append(try readString()) }
        return texts
    }

    package mutating func readBinary() throws(TransportError) -> [UInt8] {
        let count = try readBinaryHeader(), start = position - bytes.startIndex
        position += count
        // Not a slice first, for which a reference would be counted.
        return bytes.withUnsafeBufferPointer { [UInt8](UnsafeBufferPointer(rebasing: $0[start..<start + count])) }
    }

    /// Passes over binary.
    ///
    /// - Returns: how many bytes it has.
    mutating func skipBinary() throws(TransportError) -> Int {
        let count = try readBinaryHeader()
        position += count
        return count
    }

    /// Binary that may be most of the message, and is not copied then; a small part does not keep the whole.
    package mutating func readLargeBinary() throws(TransportError) -> ArraySlice<UInt8> {
        let slice = try readBinarySlice()
        return slice.count > bytes.count / 2 ? slice : Array(slice)[...]
    }

    /// Binary that is not copied, and keeps the whole message.
    package mutating func readBinarySlice() throws(TransportError) -> ArraySlice<UInt8> {
        let count = try readBinaryHeader()
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// How many bytes of binary come next; never more than there are.
    private mutating func readBinaryHeader() throws(TransportError) -> Int {
        let count: Int
        switch try readByte() {
        case 0xc4: count = Int(try readByte())
        case 0xc5: count = Int(try readInteger(UInt16.self))
        case 0xc6: count = Int(try readInteger(UInt32.self))
        default: throw malformed("no binary")
        }
        guard count <= countLeft else { throw malformed("the end") }
        return count
    }

    /// What has not been read yet.
    package var rest: ArraySlice<UInt8> { bytes[position...] }

    mutating func readPeer() throws(TransportError) -> PeerInfo {
        let version = try readUInt()
        guard let version = Int(exactly: version) else { throw malformed("version \(version)") }
        let build = try readString(), node = NodeID(number: try readUInt())
        guard let processID = Int(exactly: try readUInt()) else { throw malformed("a process id out of range") }
        return PeerInfo(protocolVersion: version, build: build, node: node, processID: processID)
    }

    /// Reads nil; false, and nothing is read, when something else comes.
    package mutating func readNil() -> Bool {
        guard position < bytes.endIndex, bytes[position] == 0xc0 else { return false }
        position += 1
        return true
    }

    package func finish() throws(TransportError) {
        guard countLeft == 0 else { throw malformed("\(countLeft) bytes too many") }
    }

    private mutating func readByte() throws(TransportError) -> UInt8 {
        guard position < bytes.endIndex else { throw malformed("the end") }
        defer { position += 1 }
        return bytes[position]
    }

    private mutating func readInteger<Number: FixedWidthInteger>(
        _: Number.Type
    ) throws(TransportError) -> Number {
        guard MemoryLayout<Number>.size <= countLeft else { throw malformed("the end") }
        defer { position += MemoryLayout<Number>.size }
        return Number(bigEndian: bytes[position...].withUnsafeBytes { $0.loadUnaligned(as: Number.self) })
    }
}
