// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import LMDB
package import MessagePack
internal import Synchronization
package import ZProcCore

/// One namespace of a store.
package final class SharedNamespace: StateEngine {
    let name: String
    let store: SharedStore
    /// The namespace's number in the file, once it is known; never 0, and never changes.
    private let knownNumber = Atomic<UInt32>(0)

    /// What this process's last update of the namespace left.
    struct Latest {
        /// The transaction's number in the file; the next one's record is the same if it is the next in number.
        let transaction: Int
        let record: NamespaceRecord
    }
    let latest = Mutex<Latest?>(nil)

    init(_ name: String, in store: SharedStore) {
        self.name = name
        self.store = store
    }

    // MARK: Reading

    package func value(of key: String) throws(StateError) -> EncodedValue? {
        try mapErrors {
            try store.readers.read { transaction in
                guard let number = try number(in: transaction) else { return nil }
                return try StoreKey.withEntry(number, key) { bytes in
                    try transaction.get(bytes, in: store.table).map { EncodedValue(copying: $0) }
                }
            }
        }
    }

    package func count() throws(StateError) -> Int {
        try mapErrors { Int(try record().count) }
    }

    package func span() throws(StateError) -> HistorySpan {
        try mapErrors { try record().span }
    }

    package func snapshot() throws(StateError) -> Snapshot {
        try mapErrors {
            let reader = try store.readers.take()
            var isPinned = false
            defer { if !isPinned { store.readers.giveBack(reader) } }
            let record = try record(in: reader.transaction)
            guard let number = try number(in: reader.transaction), record.count > 0 else {
                return Snapshot(revision: Revision(record.revision), entries: Entries())
            }
            isPinned = true
            let view = store.pin(reader, namespace: number, count: Int(record.count))
            return Snapshot(revision: Revision(record.revision), entries: Entries(view, count: Int(record.count)))
        }
    }

    package func records(after revision: Revision, limit: Int) throws(StateError) -> [ChangeRecord] {
        try mapErrors {
            try store.readers.read { transaction in
                let record = try record(in: transaction)
                if revision.number < record.birth { throw StateError.dropped }
                if revision.number < record.oldest {
                    throw StateError.compacted(revision, oldest: Revision(record.oldest))
                }
                guard revision.number < record.revision, let number = try number(in: transaction) else { return [] }
                return try records(of: number, after: revision, upTo: record.revision, limit, transaction)
            }
        }
    }

    /// What is thrown where a change is to be and none can be read.
    func missing(_ revision: UInt64) -> StateError {
        StateError(.storageDamaged, "revision \(revision) of '\(name)' is not there, or no change; restore a copy")
    }

    /// More bytes of changes are not read at once, if there is more than one.
    private static let pageByteCount = 4 << 20

    private func records(
        of number: UInt32,
        after revision: Revision,
        upTo newest: UInt64,
        _ limit: Int,
        _ transaction: borrowing ReadTransaction
    ) throws -> [ChangeRecord] {
        var found: [ChangeRecord] = []
        try transaction.withCursor(in: store.table) { cursor in
            var block = try ChangeBlock.with(revision.number + 1, of: number, name, cursor)
            var byteCount = 0, expected = revision.number + 1
            while let current = block, found.count < limit, byteCount <= Self.pageByteCount {
                for (next, bytes) in current.changes where next >= expected && found.count < limit {
                    byteCount += bytes.count
                    if byteCount > Self.pageByteCount, !found.isEmpty { return }
                    guard next == expected, let change = RecordBytes.read(bytes, revision: Revision(next)) else {
                        throw missing(expected)
                    }
                    found.append(change)
                    expected += 1
                }
                // Fewer than it says.
                if found.count < limit, expected <= current.last { break }
                block = try ChangeBlock.read(try cursor.next(), of: number, name)
            }
            if found.count < limit, byteCount <= Self.pageByteCount, expected <= newest {
                throw missing(expected)
            }
        }
        return found
    }

    package func observe(_ action: @escaping @Sendable () -> Void) -> any Cancellable { store.observe(action) }

    package var observersExecutor: (any TaskExecutor)? { store.observersExecutor }

    private func number(in transaction: borrowing ReadTransaction) throws -> UInt32? {
        try number { try transaction.get($0, in: store.table) }
    }

    private func record() throws -> NamespaceRecord {
        // What this process's last update left is what is there when nothing has been committed since.
        if let latest = latest.withLock(\.self), let file = store.readers.file(),
            try withExtendedLifetime(file, { try $0.environment.info.lastTransactionID }) == latest.transaction
        {
            return latest.record
        }
        return try store.readers.read { try record(in: $0) }
    }

    private func record(in transaction: borrowing ReadTransaction) throws -> NamespaceRecord {
        guard let number = try number(in: transaction) else { return NamespaceRecord() }
        return try transaction.withCursor(in: store.table) { try NamespaceRecord(of: number, name, $0) }
    }

    /// The namespace's number, looked up unless it is known; nil when it has none yet.
    func number(_ get: (UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer?) throws -> UInt32? {
        let known = knownNumber.load(ordering: .relaxed)
        if known != 0 { return known }
        guard let bytes = try StoreKey.withName(name, get) else { return nil }
        guard let number = StoreKey.number(bytes) else {
            throw StateError(.storageDamaged, "the number of '\(name)' is none")
        }
        knownNumber.store(number, ordering: .relaxed)
        return number
    }
}

extension NamespaceRecord {
    /// What is known of a namespace; as good as new when there is no change of it.
    init(of number: UInt32, _ name: String, _ cursor: borrowing Cursor) throws {
        self.init()
        guard let block = try ChangeBlock.newest(of: number, name, cursor) else { return }
        guard let record = block.record else {
            throw StateError(
                .storageDamaged,
                "what is known of '\(name)' since revision \(block.last) cannot be so; restore a copy"
            )
        }
        self = record
    }
}
