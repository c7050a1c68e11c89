// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Keys of the file, which is one table: each begins with what it is for.
///
/// One table, and not one for each purpose, because an update copies each page on the way from a table's root to what it
/// changes, and a table's root is written down in another one.
enum StoreKey {
    private enum Kind {
        static let format: UInt8 = 0
        static let name: UInt8 = 1
        static let reply: UInt8 = 2
        static let namespace: UInt8 = 3
    }

    /// What there is of a namespace, behind its number.
    private enum Part {
        static let entry: UInt8 = 0
        static let change: UInt8 = 1
    }

    /// The key under which the file says by which rules it is written.
    static func withFormat<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try withUnsafeBytes(of: Kind.format, body)
    }

    /// The key of a namespace's number.
    static func withName<R>(_ name: String, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try with(name, after: 1) { bytes in
            bytes[0] = Kind.name
            return try body(UnsafeRawBufferPointer(bytes))
        }
    }

    /// The key before those of the namespaces' numbers.
    static func withNames<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try withUnsafeBytes(of: Kind.name, body)
    }

    /// The name in a key of a namespace's number; nil for another key.
    static func name(of key: UnsafeRawBufferPointer) -> String? {
        key.first == Kind.name ? String(decoding: key.dropFirst(), as: UTF8.self) : nil
    }

    /// The number of a namespace, from its bytes; nil for others.
    static func number(_ bytes: UnsafeRawBufferPointer) -> UInt32? {
        guard bytes.count == 4 else { return nil }
        let number = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
        return number == 0 ? nil : number
    }

    // MARK: Entries

    private static let entryHead = 6

    /// The key of an entry.
    static func withEntry<R>(
        _ namespace: UInt32,
        _ name: String,
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        try with(name, after: entryHead) { bytes in
            putHead(namespace, Part.entry, bytes)
            return try body(UnsafeRawBufferPointer(bytes))
        }
    }

    /// The name in the key of an entry of a namespace; nil for another key.
    static func entry(of key: UnsafeRawBufferPointer, in namespace: UInt32) -> String? {
        guard has(key, namespace, Part.entry) else { return nil }
        return String(decoding: key.dropFirst(entryHead), as: UTF8.self)
    }

    // MARK: Changes

    private static let changesByteCount = 14

    /// The key of a block of changes, by the revision of its first; the newest comes last, so that the pages of the past
    /// are filled.
    static func withChanges<R>(
        _ namespace: UInt32,
        from revision: UInt64,
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        try withUnsafeTemporaryAllocation(byteCount: changesByteCount, alignment: 8) { bytes in
            putHead(namespace, Part.change, bytes)
            bytes.storeBytes(of: revision.bigEndian, toByteOffset: 6, as: UInt64.self)
            return try body(UnsafeRawBufferPointer(bytes))
        }
    }

    /// The revision in the key of a block of changes of a namespace; nil for another key.
    static func firstChange(of key: UnsafeRawBufferPointer, in namespace: UInt32) -> UInt64? {
        guard key.count == changesByteCount, has(key, namespace, Part.change) else { return nil }
        return UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 6, as: UInt64.self))
    }

    /// The number of the namespace a key belongs to, which is the greatest in the last key; nil for one of none.
    static func namespace(of key: UnsafeRawBufferPointer) -> UInt32? {
        guard key.count >= entryHead, key[0] == Kind.namespace else { return nil }
        return UInt32(bigEndian: key.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
    }

    // MARK: Answers

    private static let repliesByteCount = 17

    /// The key of a block of answers to a client's requests, by the greatest number of these; that of the block that is
    /// written to comes last, with the greatest of all.
    static func withReplies<R>(
        _ client: UInt64,
        upTo number: UInt64,
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        try withUnsafeTemporaryAllocation(byteCount: repliesByteCount, alignment: 8) { bytes in
            bytes[0] = Kind.reply
            bytes.storeBytes(of: client.bigEndian, toByteOffset: 1, as: UInt64.self)
            bytes.storeBytes(of: number.bigEndian, toByteOffset: 9, as: UInt64.self)
            return try body(UnsafeRawBufferPointer(bytes))
        }
    }

    /// The client and the number in the key of a block of answers; nil for another key.
    static func replies(of key: UnsafeRawBufferPointer) -> (client: UInt64, greatest: UInt64)? {
        guard key.count == repliesByteCount, key[0] == Kind.reply else { return nil }
        return (
            UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 1, as: UInt64.self)),
            UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 9, as: UInt64.self))
        )
    }

    // MARK: Bytes

    private static func putHead(_ namespace: UInt32, _ part: UInt8, _ bytes: UnsafeMutableRawBufferPointer) {
        bytes[0] = Kind.namespace
        bytes.storeBytes(of: namespace.bigEndian, toByteOffset: 1, as: UInt32.self)
        bytes[5] = part
    }

    private static func has(_ key: UnsafeRawBufferPointer, _ namespace: UInt32, _ part: UInt8) -> Bool {
        self.namespace(of: key) == namespace && key[5] == part
    }

    /// A key that ends with a name.
    private static func with<R>(
        _ name: String,
        after head: Int,
        _ body: (UnsafeMutableRawBufferPointer) throws -> R
    ) rethrows -> R {
        var name = name
        return try name.withUTF8 { name in
            try withUnsafeTemporaryAllocation(byteCount: head + name.count, alignment: 8) { bytes in
                UnsafeMutableRawBufferPointer(rebasing: bytes[head...]).copyBytes(from: name)
                return try body(bytes)
            }
        }
    }
}
