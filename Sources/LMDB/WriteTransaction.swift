// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

/// Changes that come into effect together, or not at all.
///
/// Waits for the write transaction of another thread or process to end. It belongs to the thread: it is begun, used and
/// ended on one, so nothing may be awaited in between. Unless ``commit()`` is called, nothing happens.
///
/// After an error other than ``LMDBError/Code/badKeySize`` and ``LMDBError/Code/keyExists`` the transaction can only be
/// ended; it will not commit.
public struct WriteTransaction: ~Copyable {
    private let environment: Environment
    private let number: UInt
    /// nil once committed.
    private(set) var handle: OpaquePointer?

    /// Begins a transaction when all others that write have ended.
    ///
    /// - Throws: ``LMDBError`` with `.permissionDenied` in an environment that is read only, `.deadlock` when this
    ///   thread has a write transaction already, `.mapResized`, or `.panic`.
    public init(_ environment: Environment) throws(LMDBError) {
        if environment.writer.isThisThread { throw environment.error(EDEADLK, "begin a write transaction") }
        var handle: OpaquePointer?
        try check(mdb_txn_begin(environment.handle, nil, 0, &handle), "begin a write transaction", environment)
        self.environment = environment
        self.handle = handle
        number = environment.writer.begin()
    }

    deinit {
        guard let handle else { return }
        environment.writer.end()
        mdb_txn_abort(handle)
        environment.opening.end(openingToken)
    }

    /// The number of this version of the data; commits count up by one.
    public var id: Int {
        mdb_txn_id(handle)
    }

    var openingToken: UInt {
        DatabaseOpening.writer(number)
    }

    /// The value of a key, or nil if there is none.
    ///
    /// The bytes are valid until the next change or the end of the transaction.
    public borrowing func get(
        _ key: UnsafeRawBufferPointer,
        in database: Database
    ) throws(LMDBError) -> UnsafeRawBufferPointer? {
        try environment.get(key, in: database, of: handle)
    }

    /// Sets the value of a key, which may be empty.
    ///
    /// - Parameters:
    ///   - value: The bytes to copy.
    ///   - key: One to ``Environment/maximumKeySize`` bytes.
    ///   - database: Where to put it.
    ///   - appending: Whether the key comes after all others, which is faster and fills pages entirely.
    /// - Throws: ``LMDBError`` with `.badKeySize`, `.mapFull`, or `.keyExists` if a key to append does not come last.
    public borrowing func put(
        _ value: UnsafeRawBufferPointer,
        for key: UnsafeRawBufferPointer,
        in database: Database,
        appending: Bool = false
    ) throws(LMDBError) {
        var key = MDB_val(key)
        var value = MDB_val(value)
        let flags = appending ? UInt32(MDB_APPEND) : 0
        try check(mdb_put(handle, database.handle, &key, &value, flags), "put", environment)
    }

    /// Makes room for the value of a key, for the caller to fill.
    ///
    /// The bytes are undefined at first, and to be written before the next change or the end of the transaction.
    ///
    /// - Parameters:
    ///   - byteCount: The length of the value.
    ///   - key: One to ``Environment/maximumKeySize`` bytes.
    ///   - database: Where to put it.
    ///   - appending: Whether the key comes after all others, which is faster and fills pages entirely.
    /// - Returns: The room for the value.
    /// - Throws: ``LMDBError`` with `.badKeySize`, `.mapFull`, or `.keyExists` if a key to append does not come last.
    public borrowing func reserve(
        _ byteCount: Int,
        for key: UnsafeRawBufferPointer,
        in database: Database,
        appending: Bool = false
    ) throws(LMDBError) -> UnsafeMutableRawBufferPointer {
        var key = MDB_val(key)
        var value = MDB_val(mv_size: byteCount, mv_data: nil)
        let flags = UInt32(appending ? MDB_RESERVE | MDB_APPEND : MDB_RESERVE)
        try check(mdb_put(handle, database.handle, &key, &value, flags), "reserve", environment)
        return UnsafeMutableRawBufferPointer(start: value.mv_data, count: byteCount)
    }

    /// Removes a key and its value; returns false if there was none.
    @discardableResult
    public borrowing func delete(_ key: UnsafeRawBufferPointer, in database: Database) throws(LMDBError) -> Bool {
        var key = MDB_val(key)
        return try find(mdb_del(handle, database.handle, &key, nil), "delete", environment)
    }

    /// Removes all keys of a database.
    public borrowing func removeAll(in database: Database) throws(LMDBError) {
        try check(mdb_drop(handle, database.handle, 0), "remove all", environment)
    }

    /// How many keys a database has.
    public borrowing func count(in database: Database) throws(LMDBError) -> Int {
        try environment.count(in: database, of: handle)
    }

    /// Gives a cursor to walk over a database in the order of its keys.
    ///
    /// Changes made meanwhile, by the cursor or the transaction, are seen by it.
    @inlinable
    public borrowing func withCursor<R>(in database: Database, _ body: (borrowing Cursor) throws -> R) throws -> R {
        try body(makeCursor(in: database))
    }

    @usableFromInline
    borrowing func makeCursor(in database: Database) throws(LMDBError) -> Cursor {
        try Cursor(environment, handle, database, view: nil)
    }

    /// Makes the changes the newest version of the data, at once and for all processes.
    ///
    /// - Throws: ``LMDBError`` if there was an error before, or the disk failed; then nothing has changed.
    public consuming func commit() throws(LMDBError) {
        let handle = handle
        self.handle = nil
        environment.writer.end()
        let result = mdb_txn_commit(handle)
        environment.opening.end(openingToken)
        try check(result, "commit", environment)
    }
}
