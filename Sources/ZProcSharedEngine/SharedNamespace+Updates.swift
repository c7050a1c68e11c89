// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import LMDB
internal import MessagePack
internal import Synchronization
package import ZProcCore

extension SharedNamespace {
    package func update<Result: Sendable>(
        by origin: Origin,
        _ body: @escaping @Sendable (inout Draft) throws -> Result
    ) async throws -> Result {
        if store.beginWriting() {
            defer { store.endWriting() }
            return try commit(origin, body)
        }
        return try await store.writeInTurn { [self] in try commit(origin, body) }
    }

    package func update(by origin: Origin, _ body: @escaping @Sendable (inout Draft) throws -> Void) async throws {
        if store.beginWriting() {
            defer { store.endWriting() }
            return try commit(origin, body)
        }
        try await store.writeInTurn { [self] in try commit(origin, body) }
    }

    package func updateNow<Result: Sendable>(
        by origin: Origin,
        _ body: @Sendable (inout Draft) throws -> Result
    ) throws -> Result? {
        guard store.beginWriting(pauses: 0) else { return nil }
        defer { store.endWriting() }
        return try commit(origin, body)
    }

    package func update(
        by origin: Origin,
        once request: UpdateRequest?,
        _ body: @escaping @Sendable (inout Draft) throws -> [UInt8]
    ) async throws -> [UInt8] {
        if store.beginWriting() {
            defer { store.endWriting() }
            return try commit(origin, once: request, body)
        }
        return try await store.writeInTurn { [self] in try commit(origin, once: request, body) }
    }

    package func updateNow(
        by origin: Origin,
        once request: UpdateRequest?,
        _ body: @Sendable (inout Draft) throws -> [UInt8]
    ) throws -> [UInt8]? {
        guard store.beginWriting(pauses: 0) else { return nil }
        defer { store.endWriting() }
        return try commit(origin, once: request, body)
    }

    /// One update, with the lock, on one thread.
    private func commit<Result>(_ origin: Origin, _ body: (inout Draft) throws -> Result) throws -> Result {
        // Not an optional: what one of a type that only the caller knows is like is looked up each time.
        let result = UnsafeMutablePointer<Result>.allocate(capacity: 1)
        defer { result.deallocate() }
        var hasResult = false
        do {
            _ = try commit(origin, once: nil) { draft in
                result.initialize(to: try body(&draft))
                hasResult = true
                return []
            }
        } catch {
            if hasResult { result.deinitialize(count: 1) }
            throw error
        }
        return result.move()
    }

    private func commit(_ origin: Origin, _ body: (inout Draft) throws -> Void) throws {
        _ = try commit(origin, once: nil) { draft in
            try body(&draft)
            return []
        }
    }

    /// The same for a body whose answer is kept in the transaction, if it is to a client's request.
    private func commit(
        _ origin: Origin,
        once request: UpdateRequest?,
        _ body: (inout Draft) throws -> [UInt8]
    ) throws -> [UInt8] {
        try mapStorageErrors {
            guard let file = store.readers.file() else { throw StateError.ended }
            let environment = file.environment
            let transaction = try WriteTransaction(environment)
            var outcome = UpdateOutcome()
            let keepsReplies = request != nil
            let answer = try UpdateTable.with(
                environment,
                transaction,
                store.table,
                keepsReplies: keepsReplies
            ) { table in
                try carryOut(origin, once: request, body, in: table, &outcome)
            }
            try store.commit(transaction, outcome)
            return answer
        }
    }

    /// One update in a transaction in which there may have been others.
    ///
    /// - Throws: what the body throws, or the storage; in the latter case the transaction must not be committed.
    func carryOut(
        _ origin: Origin,
        once request: UpdateRequest?,
        _ body: (inout Draft) throws -> [UInt8],
        in table: UpdateTable,
        _ outcome: inout UpdateOutcome
    ) throws -> [UInt8] {
        if let request, let replies = table.replies, let known = try reply(to: request, replies.pointee) {
            return known
        }
        let left = outcome.left(of: self)
        // What has been written in this transaction may never be committed, and must not be remembered.
        let known = try left?.number ?? number { try table.transaction.pointee.get($0, in: store.table) }
        var record = NamespaceRecord()
        if let left {
            record = left.record
        } else if let latest = latest.withLock(\.self), latest.transaction == table.transaction.pointee.id - 1 {
            record = latest.record
        } else if let known {
            record = try NamespaceRecord(of: known, name, table.changes.pointee)
        }
        var draft = Draft(entries(of: known, record, in: table))
        let answer = try body(&draft)
        let writes = try draft.commit()
        guard !writes.isEmpty else { return answer }
        let byteCount = RecordBytes.count(of: writes)
        let info = try table.environment.info
        let demand = PageDemand(
            writes,
            ChangeBlock.mostByteCount(for: byteCount),
            answer: request == nil ? nil : answer.count,
            lastPage: info.lastPageNumber
        )
        try outcome.begin(demand, in: store, table.environment, info)
        let number = try known ?? makeNumber(in: table)
        try put(writes, number, table.entries.pointee)
        record.revision += 1
        let count = Int(record.count) + countChange(writes)
        guard count >= 0 else {
            throw StateError(.storageDamaged, "'\(name)' has more entries than it says; restore a copy")
        }
        record.count = UInt64(count)
        record.historyByteCount += UInt64(byteCount)
        let time = wallClockMicroseconds()
        let bytes = try addChange(byteCount, at: time, &record, number, table.changes.pointee, &outcome.trimming)
        RecordBytes.write(writes, by: origin, at: time, to: bytes)
        if let request, let replies = table.replies { try keep(answer, for: request, replies.pointee) }
        outcome.end(UpdateOutcome.Left(namespace: self, number: number, record: record))
        return answer
    }

    /// What an update of the namespace begins with; nothing in one that has no number yet.
    private func entries(of number: UInt32?, _ record: NamespaceRecord, in table: UpdateTable) -> Entries {
        guard let number else { return Entries() }
        let view = UpdateView(table.transaction, table.entries, namespace: number, table: store.table)
        return Entries(view, count: Int(record.count))
    }

    /// Remembers how a transaction that has been committed has left the namespace.
    func knows(_ left: UpdateOutcome.Left, by transaction: Int) {
        latest.withLock { $0 = Latest(transaction: transaction, record: left.record) }
    }

    private func put(_ writes: [Write], _ number: UInt32, _ entries: borrowing Cursor) throws {
        let writes = writes.span
        for place in writes.indices where writes[place].before != writes[place].after {
            try StoreKey.withEntry(number, writes[place].key) { key in
                if writes[place].after != nil {
                    try writes[place].after?.bytes.withUnsafeBytes { try entries.put($0, for: key) }
                } else if try entries.seek(exactly: key) != nil {
                    try entries.delete()
                }
            }
        }
    }

    /// Makes room for the newest change, behind those that are there; forgets others; writes down what is known then.
    private func addChange(
        _ byteCount: Int,
        at time: Int64,
        _ record: inout NamespaceRecord,
        _ number: UInt32,
        _ changes: borrowing Cursor,
        _ budget: inout UpdateOutcome.Trimming
    ) throws -> UnsafeMutableRawBufferPointer {
        var newest = try newestBlock(of: number, record, changes)
        let hasRoom = newest?.hasRoom(for: byteCount) ?? false
        let length = newest?.nextByteCount(for: byteCount) ?? ChangeBlock.firstByteCount(for: byteCount)
        if !hasRoom { record.block = record.revision }
        let isElsewhere = try trim(&record, at: time, number, changes, &budget)
        if hasRoom, isElsewhere { newest = try newestBlock(of: number, record, changes) }
        if hasRoom, let newest { return newest.add(byteCount, to: try changes.change(), record) }
        return try StoreKey.withChanges(number, from: record.block) { key in
            ChangeBlock.begin(try changes.reserve(length, for: key), record, byteCount)
        }
    }

    /// Moves to the newest block, whose last change is the one before the newest; nil when there is none.
    private func newestBlock(
        of number: UInt32,
        _ record: NamespaceRecord,
        _ changes: borrowing Cursor
    ) throws -> ChangeBlock? {
        if record.block == 0 { return nil }
        let value = try StoreKey.withChanges(number, from: record.block) { try changes.seek(exactly: $0) }
        guard let block = value.flatMap({ ChangeBlock($0, first: record.block) }), block.last + 1 == record.revision
        else { throw missing(record.revision - 1) }
        return block
    }

    /// Forgets changes that are beyond the limits; the newest is not in the file yet, nor its block if that is new.
    ///
    /// - Returns: whether the cursor has been moved.
    private func trim(
        _ record: inout NamespaceRecord,
        at time: Int64,
        _ number: UInt32,
        _ changes: borrowing Cursor,
        _ budget: inout UpdateOutcome.Trimming
    ) throws -> Bool {
        let limits = store.history
        let count = UInt64(limits.count)
        // A block is forgotten when all of it may be.
        let mostBytes = limits.byteCount.map { UInt64(max($0, ChangeBlock.mostByteCount(for: 0))) } ?? .max
        if record.revision - record.oldest > count { record.oldest = record.revision - count }
        if let age = limits.age {
            try forgetOld(&record, before: time - age.microseconds, number, changes)
        }
        // Small ones many at a time: a block has fewer.
        let isLarge = record.historyByteCount / Self.largeByteCount > record.revision - record.trimmed
        let isTooMuch = record.historyByteCount > mostBytes && record.trimmed + 1 < record.block
        let forgotten = record.oldest - record.trimmed
        guard isTooMuch || forgotten >= (isLarge ? 1 : Self.trimmedTogether) else { return limits.age != nil }
        // A little more than must be, so that it is not the same with the next update.
        let bytesToKeep = isTooMuch ? mostBytes - mostBytes / 16 : mostBytes
        var entry = try StoreKey.withChanges(number, from: record.trimmed + 1) { try changes.seek(atLeast: $0) }
        // Not all at once, should there be many: the lock is held. The newest block stays.
        while budget.count > 0, budget.byteCount > 0, record.trimmed + 1 < record.block {
            guard let block = try ChangeBlock.read(entry, of: number, name), block.first == record.trimmed + 1,
                block.last < record.block
            else {
                throw missing(record.trimmed + 1)
            }
            guard block.last <= record.oldest || record.historyByteCount > bytesToKeep else { break }
            budget.count -= block.count
            budget.byteCount -= block.changesByteCount
            record.historyByteCount -= min(record.historyByteCount, UInt64(block.changesByteCount))
            record.trimmed = block.last
            record.oldest = max(record.oldest, record.trimmed)
            try changes.delete()
            entry = try changes.current()
        }
        return true
    }

    /// Forgets changes made before a time, some at once.
    private func forgetOld(
        _ record: inout NamespaceRecord,
        before time: Int64,
        _ number: UInt32,
        _ changes: borrowing Cursor
    ) throws {
        let last = min(record.revision - 1, record.oldest + UInt64(UpdateOutcome.Trimming().count))
        while record.oldest < last {
            let next = record.oldest + 1
            let block = try ChangeBlock.with(next, of: number, name, changes)
            if let block {
                for (revision, change) in block.changes where revision > record.oldest {
                    guard revision <= last, RecordBytes.time(change) < time else { return }
                    record.oldest = revision
                }
            }
            if record.oldest < next {
                throw missing(next)
            }
        }
    }

    private static let largeByteCount: UInt64 = 4096
    private static let trimmedTogether: UInt64 = 64

    package func drop(by origin: Origin, once request: UpdateRequest?) async throws {
        try await store.writeInTurn { [self] in
            try mapStorageErrors {
                guard let file = store.readers.file() else { throw StateError.ended }
                let environment = file.environment
                let transaction = try WriteTransaction(environment)
                let isDone = try request.flatMap { request in
                    try transaction.withCursor(in: store.table) { try reply(to: request, $0) }
                }
                if isDone != nil { return }
                guard let number = try number({ try transaction.get($0, in: store.table) }) else { return }
                let old = try transaction.withCursor(in: store.table) { try NamespaceRecord(of: number, name, $0) }
                guard old.exists else { return }
                let removed = Int(old.count + old.revision - old.trimmed)
                let info = try environment.info
                try store.reserve(PageDemand(removing: removed, lastPage: info.lastPageNumber), environment, info)
                var keys: [String] = []
                try UpdateView.forEachKey(of: number, in: store.table, transaction) { keys.append($0) }
                for key in keys {
                    _ = try StoreKey.withEntry(number, key) { try transaction.delete($0, in: store.table) }
                }
                try transaction.withCursor(in: store.table) { cursor in
                    var entry = try StoreKey.withChanges(number, from: 0) { try cursor.seek(atLeast: $0) }
                    while let (key, _) = entry, StoreKey.firstChange(of: key, in: number) != nil {
                        try cursor.delete()
                        entry = try cursor.current()
                    }
                }
                // A change that nobody may ask for keeps the revision.
                var record = NamespaceRecord()
                record.revision = old.revision + 1
                record.oldest = record.revision
                record.trimmed = old.revision
                record.birth = record.revision
                record.block = record.revision
                _ = try StoreKey.withChanges(number, from: record.block) { key in
                    let length = ChangeBlock.firstByteCount(for: 0)
                    return ChangeBlock.begin(try transaction.reserve(length, for: key, in: store.table), record, 0)
                }
                if let request { try transaction.withCursor(in: store.table) { try keep([], for: request, $0) } }
                try transaction.commit()
                store.announce()
            }
        }
    }

    /// Numbers a new namespace.
    ///
    /// Not remembered: the transaction may not be committed.
    private func makeNumber(in table: UpdateTable) throws -> UInt32 {
        try StateLimits.check(namespace: name)
        let number = try table.changes.pointee.last().flatMap { StoreKey.namespace(of: $0.key) } ?? 0
        guard number < .max else {
            throw StateError(.storageDamaged, "there is a namespace of the last number; restore a copy")
        }
        try withUnsafeBytes(of: (number + 1).bigEndian) { value in
            try StoreKey.withName(name) { try table.entries.pointee.put(value, for: $0) }
        }
        return number + 1
    }
}

/// How many entries more there are.
private func countChange(_ writes: [Write]) -> Int {
    var change = 0
    let writes = writes.span
    for place in writes.indices {
        change += (writes[place].after == nil ? 0 : 1) - (writes[place].before == nil ? 0 : 1)
    }
    return change
}

/// Turns LMDB's errors into the state's; what an update's body throws stays what it is.
private func mapStorageErrors<T>(_ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch let error as LMDBError {
        throw StateError(error)
    }
}
