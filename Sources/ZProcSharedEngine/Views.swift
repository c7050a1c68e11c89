// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import HashTreeCollections
internal import LMDB
internal import MessagePack
internal import Synchronization
internal import ZProcCore

/// The entries of a namespace at one revision, read from the map; pins the file's pages of that time.
///
/// After a while it copies itself out, if somebody still has it, so that the file does not grow under it.
final class PinnedView: EntryStore {
    private enum Content {
        case pinned(Reader)
        case copied(EntryTrie)
    }
    private let content: Mutex<Content>
    private let namespace: UInt32
    private let table: Database
    private let pool: ReaderPool

    init(_ reader: Reader, namespace: UInt32, table: Database, pool: ReaderPool) {
        content = Mutex(.pinned(reader))
        self.namespace = namespace
        self.table = table
        self.pool = pool
    }

    deinit {
        if case .pinned(let reader) = content.withLock({ $0 }) { pool.giveBack(reader) }
    }

    func value(of key: String) throws(StateError) -> EncodedValue? {
        try mapErrors {
            try content.withLock { content in
                switch content {
                case .copied(let trie): return trie[EntryKey(key)]
                case .pinned(let reader):
                    return try StoreKey.withEntry(namespace, key) { bytes in
                        try reader.transaction.get(bytes, in: table).map { EncodedValue(copying: $0) }
                    }
                }
            }
        }
    }

    func forEach(_ body: (String, EncodedValue) throws -> Void) throws {
        // The body may look at this view, so it runs without the lock.
        for (key, value) in try mapErrors({ try content.withLock { try all(in: $0) } }) { try body(key, value) }
    }

    /// Stops pinning pages.
    ///
    /// Cost: O(n).
    func copyOut() {
        let reader = content.withLock { content -> Reader? in
            guard case .pinned(let reader) = content, let all = try? all(in: content) else { return nil }
            content = .copied(EntryTrie(all.map { (EntryKey($0.0), $0.1) }, uniquingKeysWith: { $1 }))
            return reader
        }
        if let reader { pool.giveBack(reader) }
    }

    private func all(in content: Content) throws -> [(String, EncodedValue)] {
        switch content {
        case .copied(let trie): return trie.map { ($0.key.name, $0.value) }
        case .pinned(let reader):
            var all: [(String, EncodedValue)] = []
            try reader.transaction.withCursor(in: table) { cursor in
                try forEachEntry(of: namespace, cursor) { key, value in all.append((key, value)) }
            }
            return all
        }
    }
}

/// The entries of a namespace while an update runs, read in its transaction, by its thread.
///
/// A draft is the only one who has it, and cannot outlive the update.
struct UpdateView: EntryStore, @unchecked Sendable {
    /// Used by the update's thread alone, until the update ends.
    private let transaction: UnsafePointer<WriteTransaction>
    /// Stays where something was looked up: it is the next to be written.
    private let cursor: UnsafePointer<Cursor>
    private let namespace: UInt32
    private let table: Database

    init(
        _ transaction: UnsafePointer<WriteTransaction>,
        _ cursor: UnsafePointer<Cursor>,
        namespace: UInt32,
        table: Database
    ) {
        self.transaction = transaction
        self.cursor = cursor
        self.namespace = namespace
        self.table = table
    }

    func value(of key: String) throws(StateError) -> EncodedValue? {
        try mapErrors {
            try StoreKey.withEntry(namespace, key) { bytes in
                try cursor.pointee.seek(exactly: bytes).map { EncodedValue(copying: $0) }
            }
        }
    }

    /// Visits the names of a namespace's entries.
    static func forEachKey(
        of namespace: UInt32,
        in table: Database,
        _ transaction: borrowing WriteTransaction,
        _ body: (String) throws -> Void
    ) throws {
        try transaction.withCursor(in: table) { cursor in
            try forEachEntry(of: namespace, cursor) { key, _ in try body(key) }
        }
    }

    func forEach(_ body: (String, EncodedValue) throws -> Void) throws {
        try transaction.pointee.withCursor(in: table) { cursor in
            try forEachEntry(of: namespace, cursor, body)
        }
    }
}

private func forEachEntry(
    of namespace: UInt32,
    _ cursor: borrowing Cursor,
    _ body: (String, EncodedValue) throws -> Void
) throws {
    var entry = try StoreKey.withEntry(namespace, "") { try cursor.seek(atLeast: $0) }
    while let (key, value) = entry, let name = StoreKey.entry(of: key, in: namespace) {
        try body(name, EncodedValue(copying: value))
        entry = try cursor.next()
    }
}
