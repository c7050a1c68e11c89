// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import LMDB
package import MessagePack
internal import Synchronization
package import ZProcCore

/// One namespace of a store.
package final class SharedNamespace: StateEngine {
    private let name: String
    private let store: SharedStore
    /// The namespace's number in the file, once it is known; never 0, and never changes.
    private let knownNumber = Atomic<UInt32>(0)

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
                    try transaction.get(bytes, in: store.tables.entries).map { EncodedValue(copying: $0) }
                }
            }
        }
    }

    package func count() throws(StateError) -> Int {
        try mapErrors { try store.readers.read { Int(try record(in: $0).count) } }
    }

    package func span() throws(StateError) -> HistorySpan {
        try mapErrors { try store.readers.read { try record(in: $0).span } }
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
                return try records(of: number, after: revision, limit, transaction)
            }
        }
    }

    /// More bytes of changes are not read at once, if there is more than one.
    private static let pageByteCount = 4 << 20

    private func records(
        of number: UInt32,
        after revision: Revision,
        _ limit: Int,
        _ transaction: borrowing ReadTransaction
    ) throws -> [ChangeRecord] {
        var found: [ChangeRecord] = []
        try transaction.withCursor(in: store.tables.changes) { cursor in
            var entry = try StoreKey.withChange(number, revision.number + 1) { try cursor.seek(atLeast: $0) }
            var byteCount = 0
            while let (key, value) = entry, StoreKey.namespace(of: key) == number, found.count < limit {
                byteCount += value.count
                if byteCount > Self.pageByteCount, !found.isEmpty { break }
                guard let change = RecordBytes.read(value, revision: Revision(StoreKey.revision(of: key))) else {
                    throw StateError(
                        .storageDamaged,
                        "revision \(StoreKey.revision(of: key)) of '\(name)' is no change"
                    )
                }
                found.append(change)
                entry = try cursor.next()
            }
        }
        return found
    }

    package func observe(_ action: @escaping @Sendable () -> Void) -> any Cancellable { store.observe(action) }

    package var observersExecutor: (any TaskExecutor)? { store.observersExecutor }

    private func number(in transaction: borrowing ReadTransaction) throws -> UInt32? {
        let known = knownNumber.load(ordering: .relaxed)
        if known != 0 { return known }
        return try remember(withBytes(of: name) { try transaction.get($0, in: store.tables.names) })
    }

    private func record(in transaction: borrowing ReadTransaction) throws -> NamespaceRecord {
        guard let number = try number(in: transaction) else { return NamespaceRecord() }
        return try read(StoreKey.withRecord(number) { try transaction.get($0, in: store.tables.entries) })
    }

    private func remember(_ bytes: UnsafeRawBufferPointer?) throws -> UInt32? {
        guard let bytes else { return nil }
        guard bytes.count == 4 else { throw StateError(.storageDamaged, "the number of '\(name)' is none") }
        let number = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
        knownNumber.store(number, ordering: .relaxed)
        return number
    }

    private func read(_ bytes: UnsafeRawBufferPointer?) throws -> NamespaceRecord {
        guard let bytes else { return NamespaceRecord() }
        guard let record = NamespaceRecord(bytes) else {
            throw StateError(.storageDamaged, "the record of '\(name)' is none")
        }
        return record
    }

    // MARK: Writing

    package func update<Result: Sendable>(
        by origin: Origin,
        _ body: @escaping @Sendable (inout Draft) throws -> Result
    ) async throws -> Result {
        try await store.write { [self] in try mapStorageErrors { try commit(origin, body) } }
    }

    package func updateNow<Result: Sendable>(
        by origin: Origin,
        _ body: @Sendable (inout Draft) throws -> Result
    ) throws -> Result? {
        try store.writeNow { try mapStorageErrors { try commit(origin, body) } }
    }

    package func update(
        by origin: Origin,
        once request: UpdateRequest?,
        _ body: @escaping @Sendable (inout Draft) throws -> [UInt8]
    ) async throws -> [UInt8] {
        try await store.write { [self] in
            try mapStorageErrors { try commit(origin, reply: request.map { Reply($0, in: store) }, body) }
        }
    }

    package func updateNow(
        by origin: Origin,
        once request: UpdateRequest?,
        _ body: @Sendable (inout Draft) throws -> [UInt8]
    ) throws -> [UInt8]? {
        try store.writeNow {
            try mapStorageErrors { try commit(origin, reply: request.map { Reply($0, in: store) }, body) }
        }
    }

    /// The answer to a client's request, kept in the transaction that carries the request out.
    fileprivate struct Reply<Result> {
        let byteCount: (Result) -> Int
        let find: (borrowing WriteTransaction) throws -> Result?
        let keep: (Result, borrowing WriteTransaction) throws -> Void
    }

    /// One update, with the lock, on one thread.
    private func commit<Result>(
        _ origin: Origin,
        reply: Reply<Result>? = nil,
        _ body: (inout Draft) throws -> Result
    ) throws -> Result {
        guard let file = store.readers.file() else { throw StateError.ended }
        let environment = file.environment
        let transaction = try WriteTransaction(environment)
        if let known = try reply?.find(transaction) { return known }
        let known = try number(in: transaction)
        var record =
            try known.map { number in
                try read(StoreKey.withRecord(number) { try transaction.get($0, in: store.tables.entries) })
            } ?? NamespaceRecord()
        let (result, writes) = try withUnsafePointer(to: transaction) { pointer in
            let entries =
                if let known, record.count > 0 {
                    Entries(
                        UpdateView(pointer, namespace: known, entries: store.tables.entries),
                        count: Int(record.count)
                    )
                } else {
                    Entries()
                }
            var draft = Draft(entries)
            let result = try body(&draft)
            return (result, try draft.commit())
        }
        guard !writes.isEmpty else { return result }
        record.revision += 1
        let change = ChangeRecord(
            revision: Revision(record.revision),
            time: wallClockMicroseconds(),
            origin: origin,
            writes: writes
        )
        let byteCount = RecordBytes.count(of: writes)
        let demand = PageDemand(
            writes,
            byteCount,
            reply: reply?.byteCount(result),
            lastPage: try environment.info.lastPageNumber
        )
        try store.reserve(demand, environment)
        let number = try known ?? makeNumber(in: transaction)
        try put(change, byteCount, number, transaction)
        record.count = UInt64(Int(record.count) + writes.reduce(0) { $0 + $1.countChange })
        record.historyByteCount += UInt64(byteCount)
        try trim(&record, at: change.time, number, transaction)
        try put(record, number, transaction)
        try reply?.keep(result, transaction)
        try transaction.commit()
        store.announce()
        return result
    }

    private func put(
        _ change: ChangeRecord,
        _ byteCount: Int,
        _ number: UInt32,
        _ transaction: borrowing WriteTransaction
    ) throws {
        for write in change.writes where write.before != write.after {
            try StoreKey.withEntry(number, write.key) { key in
                if let value = write.after {
                    try value.bytes.withUnsafeBytes { try transaction.put($0, for: key, in: store.tables.entries) }
                } else {
                    _ = try transaction.delete(key, in: store.tables.entries)
                }
            }
        }
        try StoreKey.withChange(number, change.revision.number) { key in
            RecordBytes.write(change, to: try transaction.reserve(byteCount, for: key, in: store.tables.changes))
        }
    }

    private func put(
        _ record: NamespaceRecord,
        _ number: UInt32,
        _ transaction: borrowing WriteTransaction
    ) throws {
        try withUnsafeBytes(of: record) { bytes in
            try StoreKey.withRecord(number) { try transaction.put(bytes, for: $0, in: store.tables.entries) }
        }
    }

    /// Forgets changes that are beyond the limits.
    private func trim(
        _ record: inout NamespaceRecord,
        at time: Int64,
        _ number: UInt32,
        _ transaction: borrowing WriteTransaction
    ) throws {
        let limits = store.history
        let count = UInt64(limits.count), mostBytes = limits.byteCount.map { UInt64($0) } ?? .max
        let end = limits.age.map { time - $0.microseconds } ?? .min
        var isLarge = false, forgottenBytes = 0
        // Not all at once, should there be many: the lock is held.
        for _ in 0..<Self.mostForgotten {
            if record.oldest + 1 >= record.revision || forgottenBytes > Self.mostForgottenBytes { break }
            let isBeyond = record.revision - record.oldest > count || record.historyByteCount > mostBytes
            if !isBeyond, limits.age == nil { break }
            let next = try StoreKey.withChange(number, record.oldest + 1) { key in
                try transaction.get(key, in: store.tables.changes).map { ($0.count, RecordBytes.time($0)) }
            }
            guard let (byteCount, changeTime) = next else {
                throw StateError(.storageDamaged, "revision \(record.oldest + 1) of '\(name)' is not there")
            }
            guard isBeyond || changeTime < end else { break }
            record.oldest += 1
            record.historyByteCount -= min(record.historyByteCount, UInt64(byteCount))
            forgottenBytes += byteCount
            if byteCount > Self.largeByteCount { isLarge = true }
        }
        // Small ones many at a time: they are neighbours in the file.
        guard record.oldest >= record.trimmed + (isLarge ? 1 : Self.trimmedTogether) else { return }
        try delete(after: record.trimmed, through: record.oldest, number, transaction)
        record.trimmed = record.oldest
    }

    private static let mostForgotten = 1024
    private static let mostForgottenBytes = 64 << 20
    private static let largeByteCount = 4096
    private static let trimmedTogether: UInt64 = 64

    private func delete(
        after first: UInt64,
        through last: UInt64,
        _ number: UInt32,
        _ transaction: borrowing WriteTransaction
    ) throws {
        var revision = first + 1
        while revision <= last {
            _ = try StoreKey.withChange(number, revision) { try transaction.delete($0, in: store.tables.changes) }
            revision += 1
        }
    }

    package func drop(by origin: Origin, once request: UpdateRequest?) async throws {
        try await store.write { [self] in
            try mapStorageErrors {
                guard let file = store.readers.file() else { throw StateError.ended }
                let environment = file.environment
                let transaction = try WriteTransaction(environment)
                let reply = request.map { Reply($0, in: store) }
                if try reply?.find(transaction) != nil { return }
                guard let number = try number(in: transaction) else { return }
                let old = try read(StoreKey.withRecord(number) { try transaction.get($0, in: store.tables.entries) })
                guard old.exists else { return }
                let removed = Int(old.count + old.revision - old.trimmed)
                let demand = PageDemand(removing: removed, lastPage: try environment.info.lastPageNumber)
                try store.reserve(demand, environment)
                var keys: [String] = []
                try UpdateView.forEachKey(of: number, in: store.tables.entries, transaction) { keys.append($0) }
                for key in keys {
                    _ = try StoreKey.withEntry(number, key) { try transaction.delete($0, in: store.tables.entries) }
                }
                try delete(after: old.trimmed, through: old.revision, number, transaction)
                var record = NamespaceRecord()
                record.revision = old.revision + 1
                record.oldest = record.revision
                record.trimmed = record.revision
                record.birth = record.revision
                try put(record, number, transaction)
                try reply?.keep([], transaction)
                try transaction.commit()
                store.announce()
            }
        }
    }

    private func number(in transaction: borrowing WriteTransaction) throws -> UInt32? {
        let known = knownNumber.load(ordering: .relaxed)
        if known != 0 { return known }
        return try remember(withBytes(of: name) { try transaction.get($0, in: store.tables.names) })
    }

    /// Numbers a new namespace.
    ///
    /// Not remembered: the transaction may not be committed.
    private func makeNumber(in transaction: borrowing WriteTransaction) throws -> UInt32 {
        try StateLimits.check(namespace: name)
        let number = UInt32(try transaction.count(in: store.tables.names)) + 1
        try withUnsafeBytes(of: number.bigEndian) { value in
            try withBytes(of: name) { try transaction.put(value, for: $0, in: store.tables.names) }
        }
        return number
    }
}

extension SharedNamespace.Reply<[UInt8]> {
    /// An answer as it lies in the store's table: the time, in microseconds since 1970, then its bytes.
    fileprivate init(_ request: UpdateRequest, in store: SharedStore) {
        let table = store.tables.replies
        byteCount = { $0.count + 8 }
        find = { transaction in
            try StoreKey.withReply(request.client, request.number) { key in
                try transaction.get(key, in: table).map { Array($0.dropFirst(8)) }
            }
        }
        keep = { answer, transaction in
            // Those that have arrived are forgotten.
            try transaction.withCursor(in: table) { cursor in
                var entry = try StoreKey.withReply(request.client, 0) { try cursor.seek(atLeast: $0) }
                while let (key, _) = entry, let reply = StoreKey.reply(of: key), reply.client == request.client,
                    reply.number < request.answered
                {
                    try cursor.delete()
                    entry = try StoreKey.withReply(request.client, reply.number) { try cursor.seek(atLeast: $0) }
                }
            }
            try StoreKey.withReply(request.client, request.number) { key in
                let bytes = try transaction.reserve(answer.count + 8, for: key, in: table)
                bytes.storeBytes(of: wallClockMicroseconds(), as: Int64.self)
                UnsafeMutableRawBufferPointer(rebasing: bytes[8...]).copyBytes(from: answer)
            }
        }
    }
}

extension Write {
    fileprivate var countChange: Int { (after == nil ? 0 : 1) - (before == nil ? 0 : 1) }
}

private func withBytes<R>(of name: String, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try withUnsafeTemporaryAllocation(byteCount: max(1, name.utf8.count), alignment: 1) { bytes in
        var count = 0
        for byte in name.utf8 {
            bytes[count] = byte
            count += 1
        }
        return try body(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    }
}

/// Turns LMDB's errors into the state's; what an update's body throws stays what it is.
private func mapStorageErrors<T>(_ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch let error as LMDBError {
        throw StateError(error)
    }
}
