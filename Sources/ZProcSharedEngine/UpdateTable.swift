// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import LMDB
package import ZProcCore

/// The store's table while updates are made, by one thread in one transaction.
///
/// Lent for a call; each cursor is moved to where something is read, and is there when it is written.
struct UpdateTable {
    /// Kept by the transaction.
    unowned(unsafe) let environment: Environment
    let transaction: UnsafePointer<WriteTransaction>
    let changes: UnsafePointer<Cursor>
    let entries: UnsafePointer<Cursor>
    /// Nil where no answers are kept.
    let replies: UnsafePointer<Cursor>?

    static func with<R>(
        _ environment: Environment,
        _ transaction: borrowing WriteTransaction,
        _ table: Database,
        keepsReplies: Bool,
        _ body: (UpdateTable) throws -> R
    ) throws -> R {
        try withUnsafePointer(to: transaction) { transaction in
            try withCursor(transaction, table) { changes in
                try withCursor(transaction, table) { entries in
                    func run(_ replies: UnsafePointer<Cursor>?) throws -> R {
                        let table = UpdateTable(
                            environment: environment,
                            transaction: transaction,
                            changes: changes,
                            entries: entries,
                            replies: replies
                        )
                        return try body(table)
                    }
                    return keepsReplies ? try withCursor(transaction, table, run) : try run(nil)
                }
            }
        }
    }

    private static func withCursor<R>(
        _ transaction: UnsafePointer<WriteTransaction>,
        _ table: Database,
        _ body: (UnsafePointer<Cursor>) throws -> R
    ) throws -> R {
        try transaction.pointee.withCursor(in: table) { try withUnsafePointer(to: $0, body) }
    }
}

/// What updates in a transaction have come to, besides what is in the file when it is committed.
struct UpdateOutcome {
    /// How an update has left a namespace.
    struct Left {
        /// Kept by whoever makes the updates.
        unowned(unsafe) let namespace: SharedNamespace
        let number: UInt32
        let record: NamespaceRecord
    }

    /// One in nearly all cases.
    private var last: Left?
    private var others: [Left] = []
    /// What the updates can take at most.
    private var demand: PageDemand?
    /// Whether an update has begun to write, and has not come to its end.
    private(set) var isWriting = false
    /// Whether there are to be several updates, all small.
    private let isOfMany: Bool

    /// How much of the past may still be trimmed in the transaction.
    struct Trimming {
        var count = 1024
        var byteCount = 64 << 20
    }
    var trimming = Trimming()

    init(ofMany: Bool = false) { isOfMany = ofMany }

    var isEmpty: Bool { last == nil }

    /// How a namespace was left; nil when it has not been changed.
    func left(of namespace: SharedNamespace) -> Left? {
        last?.namespace === namespace ? last : others.first { $0.namespace === namespace }
    }

    /// Visits the namespaces that were changed.
    func forEach(_ body: (Left) -> Void) {
        if let last { body(last) }
        others.forEach(body)
    }

    /// Begins to write, when there is room for it.
    mutating func begin(
        _ next: PageDemand,
        in store: SharedStore,
        _ environment: Environment,
        _ info: Environment.Info
    ) throws {
        isWriting = true
        // What was there may be large.
        if isOfMany, !next.areSingle { throw StateError(.storageUnusable, "a large value is changed alone") }
        let all = demand?.adding(next) ?? next
        try store.reserve(all, environment, info)
        demand = all
    }

    /// All of an update has been written.
    mutating func end(_ left: Left) {
        isWriting = false
        if let last, last.namespace !== left.namespace {
            others.removeAll { $0.namespace === left.namespace }
            others.append(last)
        }
        last = left
    }
}

extension SharedStore {
    /// Commits what updates have changed, if anything, and tells of it.
    func commit(_ transaction: consuming WriteTransaction, _ outcome: UpdateOutcome) throws {
        if outcome.isEmpty { return }
        let id = transaction.id
        try transaction.commit()
        outcome.forEach { $0.namespace.knows($0, by: id) }
        announce()
    }

    package func updateNow(_ updates: [UpdateInTurn]) -> [Result<[UInt8], any Error>]? {
        guard beginWriting() else { return nil }
        defer { endWriting() }
        // Whatever fails here is found out again by each for itself.
        return try? commitTogether(updates)
    }

    private func commitTogether(_ updates: [UpdateInTurn]) throws -> [Result<[UInt8], any Error>] {
        guard let file = readers.file() else { throw StateError.ended }
        let environment = file.environment, keepsReplies = updates.contains { $0.request != nil }
        let transaction = try WriteTransaction(environment)
        var outcome = UpdateOutcome(ofMany: true)
        let answers = try UpdateTable.with(environment, transaction, table, keepsReplies: keepsReplies) { table in
            var answers: [Result<[UInt8], any Error>] = []
            answers.reserveCapacity(updates.count)
            let updates = updates.span
            for place in updates.indices {
                let request = updates[place].request
                guard let namespace = updates[place].engine as? SharedNamespace, namespace.store === self else {
                    throw StateError(.storageUnusable, "an update is of another store")
                }
                do {
                    let answer = try namespace.carryOut(
                        updates[place].origin,
                        once: request,
                        updates[place].body,
                        in: table,
                        &outcome
                    )
                    answers.append(.success(answer))
                } catch {
                    // One that has written something cannot be taken back alone.
                    if outcome.isWriting || error is LMDBError { throw error }
                    answers.append(.failure(error))
                }
            }
            return answers
        }
        try commit(transaction, outcome)
        return answers
    }
}
