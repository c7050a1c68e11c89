// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import LMDB
internal import ZProcCore

/// Changes of a namespace that follow each other, in one value of the file.
///
/// An update adds its change to the newest block, where that is, while there is room; the past is forgotten a block at
/// a time. With a value for each change both would cost several times as much.
///
/// A block begins with what is known of the namespace since its newest change (``NamespaceRecord``), the number of
/// changes, and where they end. Each change is its length and its bytes (``RecordBytes``). The rest is room for more.
struct ChangeBlock {
    /// The revision of the first change, which is in the key.
    let first: UInt64
    let count: Int
    /// Where the next change would be.
    private let end: Int
    private let bytes: UnsafeRawBufferPointer

    private static let lengthByteCount = 4
    private static let headByteCount = NamespaceRecord.byteCount + 8
    /// As long as a block of several changes is at most: three fill a page of 4 KiB with their keys.
    private static let mostByteCount = 1336
    /// A namespace that is hardly used takes little; each block is twice as long as the one before it.
    private static let leastByteCount = 167

    /// The revision of the newest change.
    var last: UInt64 { first + UInt64(count) - 1 }

    /// How long the changes are together.
    var changesByteCount: Int { end - Self.headByteCount - count * Self.lengthByteCount }

    /// Reads the head of a block; nil for bytes that have none.
    ///
    /// The bytes must be valid as long as the block is used.
    init?(_ bytes: UnsafeRawBufferPointer, first: UInt64) {
        guard bytes.count >= Self.headByteCount else { return nil }
        let numbers = bytes.loadUnaligned(fromByteOffset: NamespaceRecord.byteCount, as: (UInt32, UInt32).self)
        (self.first, count, end, self.bytes) = (first, Int(numbers.0), Int(numbers.1), bytes)
        guard first < 1 << 62, count > 0, end <= bytes.count, changesByteCount >= 0 else { return nil }
    }

    /// What is known of the namespace since the newest change; nil if it cannot be so.
    var record: NamespaceRecord? { NamespaceRecord(bytes, revision: last, block: first) }

    /// The newest block of a namespace; nil when there is none.
    ///
    /// - Throws: ``StateError/Code/storageDamaged`` for one that is none.
    static func newest(of number: UInt32, _ name: String, _ cursor: borrowing Cursor) throws -> ChangeBlock? {
        // Right before whatever comes after the namespace's changes.
        _ = try StoreKey.withChanges(number, from: .max) { try cursor.seek(atLeast: $0) }
        return try read(try cursor.previous(), of: number, name)
    }

    /// The block with a change; nil when there is none.
    ///
    /// - Throws: ``StateError/Code/storageDamaged`` for one that is none.
    static func with(
        _ revision: UInt64,
        of number: UInt32,
        _ name: String,
        _ cursor: borrowing Cursor
    ) throws -> ChangeBlock? {
        var entry = try StoreKey.withChanges(number, from: revision) { try cursor.seek(atLeast: $0) }
        if entry.flatMap({ StoreKey.firstChange(of: $0.key, in: number) }) != revision { entry = try cursor.previous() }
        guard let block = try read(entry, of: number, name), block.first <= revision, revision <= block.last else {
            return nil
        }
        return block
    }

    /// The block of an entry of the file; nil when it is another namespace's, or something else.
    static func read(_ entry: Cursor.Entry?, of number: UInt32, _ name: String) throws -> ChangeBlock? {
        guard let entry, let first = StoreKey.firstChange(of: entry.key, in: number) else { return nil }
        guard let block = ChangeBlock(entry.value, first: first) else {
            throw StateError(
                .storageDamaged,
                "what is to hold revision \(first) of '\(name)' does not; restore a copy"
            )
        }
        return block
    }

    // MARK: Writing

    /// How long a block may become for a change of this length, at most.
    static func mostByteCount(for change: Int) -> Int {
        max(mostByteCount, headByteCount + lengthByteCount + change)
    }

    /// Whether a change of this length can be added.
    func hasRoom(for change: Int) -> Bool {
        end + Self.lengthByteCount + change <= bytes.count
    }

    /// How long a new block is that begins with a change of this length, after this one.
    func nextByteCount(for change: Int) -> Int {
        max(min(2 * bytes.count, Self.mostByteCount), Self.headByteCount + Self.lengthByteCount + change)
    }

    /// How long a namespace's first block is that begins with a change of this length.
    static func firstByteCount(for change: Int) -> Int {
        max(leastByteCount, headByteCount + lengthByteCount + change)
    }

    /// Makes room in a new block for its first change.
    static func begin(
        _ bytes: UnsafeMutableRawBufferPointer,
        _ record: NamespaceRecord,
        _ change: Int
    ) -> UnsafeMutableRawBufferPointer {
        add(change, to: bytes, record, count: 0, end: headByteCount)
    }

    /// Makes room for one more change in a block's bytes, which are this one's, to be changed.
    func add(
        _ change: Int,
        to bytes: UnsafeMutableRawBufferPointer,
        _ record: NamespaceRecord
    ) -> UnsafeMutableRawBufferPointer {
        Self.add(change, to: bytes, record, count: count, end: end)
    }

    private static func add(
        _ change: Int,
        to bytes: UnsafeMutableRawBufferPointer,
        _ record: NamespaceRecord,
        count: Int,
        end: Int
    ) -> UnsafeMutableRawBufferPointer {
        let start = end + lengthByteCount
        record.write(to: bytes)
        bytes.storeBytes(of: UInt32(count + 1), toByteOffset: NamespaceRecord.byteCount, as: UInt32.self)
        bytes.storeBytes(of: UInt32(start + change), toByteOffset: NamespaceRecord.byteCount + 4, as: UInt32.self)
        bytes.storeBytes(of: UInt32(change), toByteOffset: end, as: UInt32.self)
        return UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + change])
    }
}

extension ChangeBlock {
    /// The changes with their revisions, oldest first; ends before one that is damaged.
    var changes: Changes {
        Changes(revision: first, rest: UnsafeRawBufferPointer(rebasing: bytes[Self.headByteCount..<end]))
    }

    struct Changes: Sequence, IteratorProtocol {
        fileprivate var revision: UInt64
        fileprivate var rest: UnsafeRawBufferPointer

        mutating func next() -> (revision: UInt64, bytes: UnsafeRawBufferPointer)? {
            guard rest.count >= lengthByteCount else { return nil }
            let end = lengthByteCount + Int(rest.loadUnaligned(as: UInt32.self))
            guard end <= rest.count else { return nil }
            defer {
                revision += 1
                rest = UnsafeRawBufferPointer(rebasing: rest[end...])
            }
            return (revision, UnsafeRawBufferPointer(rebasing: rest[lengthByteCount..<end]))
        }
    }
}
