// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

/// A place in a database.
///
/// What it gives is valid until the next write, or the end of the transaction.
public struct Cursor: ~Copyable {
    /// A key and its value.
    public typealias Entry = (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)

    private let handle: OpaquePointer

    init(_ transaction: OpaquePointer, _ database: Database) throws(LMDBError) {
        var handle: OpaquePointer?
        try check(mdb_cursor_open(transaction, database.number, &handle), "open cursor")
        guard let handle else { throw LMDBError(LMDBError.Code.noMemory.rawValue, "open cursor") }
        self.handle = handle
    }

    deinit { mdb_cursor_close(handle) }

    /// Goes to the first entry.
    public borrowing func first() throws(LMDBError) -> Entry? { try move(MDB_FIRST) }
    /// Goes to the last entry.
    public borrowing func last() throws(LMDBError) -> Entry? { try move(MDB_LAST) }
    /// Goes to the entry after this one.
    public borrowing func next() throws(LMDBError) -> Entry? { try move(MDB_NEXT) }
    /// Goes to the entry before this one.
    public borrowing func previous() throws(LMDBError) -> Entry? { try move(MDB_PREV) }
    /// The entry here.
    public borrowing func current() throws(LMDBError) -> Entry? { try move(MDB_GET_CURRENT) }

    /// Goes to the first entry whose key is not before this one.
    public borrowing func seek(atLeast key: UnsafeRawBufferPointer) throws(LMDBError) -> Entry? {
        try move(MDB_SET_RANGE, MDB_val(key))
    }

    /// Removes the entry here; `next` then gives the one after it.
    public borrowing func delete() throws(LMDBError) { try check(mdb_cursor_del(handle, 0), "delete") }

    private borrowing func move(_ operation: MDB_cursor_op, _ key: MDB_val = MDB_val()) throws(LMDBError) -> Entry? {
        var key = key, value = MDB_val()
        let result = mdb_cursor_get(handle, &key, &value, operation)
        if result == MDB_NOTFOUND { return nil }
        try check(result, "move")
        return (UnsafeRawBufferPointer(key), UnsafeRawBufferPointer(value))
    }
}
