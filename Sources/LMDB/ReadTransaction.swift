// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

/// A view of the data as it was when the transaction began, or was last renewed.
///
/// While it has its view, pages that later commits replace are kept and the file grows; so it should not be held for
/// long. ``reset()`` and ``renew()`` cost much less than a new transaction.
///
/// It may move between threads, but is used by one at a time: it is not guarded by a lock, but by having one owner.
public struct ReadTransaction: ~Copyable, @unchecked Sendable {
    private let environment: Environment
    /// Of this transaction alone.
    private let state: UnsafeMutablePointer<View>

    /// Begins a transaction with a view of the newest data.
    ///
    /// - Throws: ``LMDBError`` with `.readersFull`, `.mapResized`, or `.panic`.
    public init(_ environment: Environment) throws(LMDBError) {
        self.environment = environment
        state = .allocate(capacity: 1)
        state.initialize(to: View(handle: nil, isActive: false))
        try renew()
    }

    deinit {
        // Committing, unlike aborting, makes the databases known that were opened in it.
        if let handle = state.pointee.handle { _ = mdb_txn_commit(handle) }
        environment.opening.end(openingToken)
        state.deallocate()
    }

    /// The id of the write transaction whose data it sees; 0 after a reset.
    public var id: Int {
        state.pointee.isActive ? mdb_txn_id(state.pointee.handle) : 0
    }

    var openingToken: UInt {
        UInt(bitPattern: state)
    }

    @inline(__always)
    func view(_ operation: StaticString) throws(LMDBError) -> OpaquePointer? {
        guard state.pointee.isActive else { throw environment.error(MDB_BAD_TXN, operation) }
        return state.pointee.handle
    }

    /// The value of a key, or nil if there is none.
    ///
    /// The bytes are valid until the reset or the end of the transaction.
    public borrowing func get(
        _ key: UnsafeRawBufferPointer,
        in database: Database
    ) throws(LMDBError) -> UnsafeRawBufferPointer? {
        try environment.get(key, in: database, of: view("get"))
    }

    /// How many keys a database has.
    public borrowing func count(in database: Database) throws(LMDBError) -> Int {
        try environment.count(in: database, of: view("count"))
    }

    /// How many pages of the file are free, for the write transaction that comes after this version.
    ///
    /// Pages of old versions are free when no reader has a view of these. Cost: O(free pages), and a look at each reader.
    public borrowing func freePageCount() throws(LMDBError) -> Int {
        let oldest = min(ReaderTable(of: environment.handle).oldestView ?? .max, id)
        // LMDB keeps the free pages in a database of its own: under the number of the version that freed them, the count
        // of the pages and their numbers.
        let cursor = try makeCursor(in: Database(handle: 0))
        var count = 0
        var entry = try cursor.first()
        while let (key, value) = entry {
            guard key.count == MemoryLayout<Int>.size, value.count >= MemoryLayout<Int>.size,
                key.loadUnaligned(as: Int.self) < oldest
            else { break }
            count += value.loadUnaligned(as: Int.self)
            entry = try cursor.next()
        }
        return count
    }

    /// Gives a cursor to walk over a database in the order of its keys.
    ///
    /// It ends with the view: after a reset it only throws ``LMDBError/Code/badTransaction``.
    @inlinable
    public borrowing func withCursor<R>(in database: Database, _ body: (borrowing Cursor) throws -> R) throws -> R {
        try body(makeCursor(in: database))
    }

    @usableFromInline
    borrowing func makeCursor(in database: Database) throws(LMDBError) -> Cursor {
        try Cursor(environment, view("open a cursor"), database, view: state)
    }

    /// Gives up the view, and keeps the reader slot for ``renew()``.
    ///
    /// Reading is an error until then. Does nothing if there is no view.
    public borrowing func reset() {
        guard state.pointee.isActive else { return }
        state.pointee.isActive = false
        state.pointee.resets += 1
        if environment.opening.isOpener(openingToken) {
            // A mere reset would close the databases that were opened in it.
            _ = mdb_txn_commit(state.pointee.handle)
            state.pointee.handle = nil
            environment.opening.end(openingToken)
        } else {
            mdb_txn_reset(state.pointee.handle)
        }
    }

    /// Takes a view of the newest data, whether there is a view or not.
    ///
    /// - Throws: ``LMDBError`` with `.mapResized`, `.panic`, or `.readersFull` if there is no slot; then there is no
    ///   view.
    public borrowing func renew() throws(LMDBError) {
        reset()
        if let handle = state.pointee.handle {
            try check(mdb_txn_renew(handle), "renew a read transaction", environment)
        } else {
            let result = mdb_txn_begin(environment.handle, nil, UInt32(MDB_RDONLY), &state.pointee.handle)
            try check(result, "begin a read transaction", environment)
        }
        state.pointee.isActive = true
    }
}
