// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Keys of the tables: the namespace's number, then what is in it.
enum StoreKey {
    /// The key of an entry; with an empty name, that of the namespace's record, which no entry has.
    static func withEntry<R>(_ namespace: UInt32, _ name: String, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows
        -> R
    {
        let utf8 = name.utf8
        return try withUnsafeTemporaryAllocation(byteCount: 5 + utf8.count, alignment: 8) { bytes in
            bytes.storeBytes(of: namespace.bigEndian, as: UInt32.self)
            bytes[4] = entryMark
            var place = 5
            for byte in utf8 {
                bytes[place] = byte
                place += 1
            }
            return try body(UnsafeRawBufferPointer(bytes))
        }
    }

    /// The key of a namespace's record, which comes before its entries.
    static func withRecord<R>(_ namespace: UInt32, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try withUnsafeBytes(of: namespace.bigEndian, body)
    }

    /// The key of a change.
    static func withChange<R>(
        _ namespace: UInt32,
        _ revision: UInt64,
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        try withUnsafeTemporaryAllocation(byteCount: 12, alignment: 8) { bytes in
            bytes.storeBytes(of: namespace.bigEndian, as: UInt32.self)
            bytes.storeBytes(of: revision.bigEndian, toByteOffset: 4, as: UInt64.self)
            return try body(UnsafeRawBufferPointer(bytes))
        }
    }

    /// The key of an answer to a client's request.
    static func withReply<R>(
        _ client: UInt64,
        _ number: UInt64,
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        try withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { bytes in
            bytes.storeBytes(of: client.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: number.bigEndian, toByteOffset: 8, as: UInt64.self)
            return try body(UnsafeRawBufferPointer(bytes))
        }
    }

    /// The client and the number in an answer's key.
    static func reply(of key: UnsafeRawBufferPointer) -> (client: UInt64, number: UInt64)? {
        guard key.count == 16 else { return nil }
        return (
            UInt64(bigEndian: key.loadUnaligned(as: UInt64.self)),
            UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
    }

    /// The number of the namespace a key belongs to.
    static func namespace(of key: UnsafeRawBufferPointer) -> UInt32? {
        key.count >= 4 ? UInt32(bigEndian: key.loadUnaligned(as: UInt32.self)) : nil
    }

    /// The name in an entry's key.
    static func name(of key: UnsafeRawBufferPointer) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: key[min(5, key.count)...]), as: UTF8.self)
    }

    /// The revision in a change's key.
    static func revision(of key: UnsafeRawBufferPointer) -> UInt64 {
        key.count == 12 ? UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 4, as: UInt64.self)) : 0
    }

    private static let entryMark: UInt8 = 1
}
