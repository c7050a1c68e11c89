// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

/// A place in a database, which moves over the keys in their order.
///
/// At either end it stays where it is and returns nil. The bytes it returns are valid until the next change in the
/// transaction, or its end.
public struct Cursor: ~Copyable {
    /// A key and its value.
    public typealias Entry = (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)

    /// Kept by the transaction, which lends the cursor.
    private unowned(unsafe) let environment: Environment
    private let handle: OpaquePointer?
    /// The view of a read transaction, which outlives the cursor; nil for a write transaction, which cannot end before.
    private let view: UnsafePointer<View>?
    private let resets: Int

    init(
        _ environment: Environment,
        _ transaction: OpaquePointer?,
        _ database: Database,
        view: UnsafePointer<View>?
    ) throws(LMDBError) {
        var handle: OpaquePointer?
        try check(mdb_cursor_open(transaction, database.handle, &handle), "open a cursor", environment)
        self.environment = environment
        self.handle = handle
        self.view = view
        resets = view?.pointee.resets ?? 0
    }

    deinit {
        mdb_cursor_close(handle)
    }

    /// Moves to the first entry, and returns it unless there is none.
    public borrowing func first() throws(LMDBError) -> Entry? {
        try move(MDB_FIRST)
    }

    /// Moves to the last entry, and returns it unless there is none.
    public borrowing func last() throws(LMDBError) -> Entry? {
        try move(MDB_LAST)
    }

    /// Moves to the next entry, a new cursor to the first; returns nil when there is none.
    public borrowing func next() throws(LMDBError) -> Entry? {
        try move(MDB_NEXT)
    }

    /// Moves to the previous entry, a new cursor to the last; returns nil when there is none.
    public borrowing func previous() throws(LMDBError) -> Entry? {
        try move(MDB_PREV)
    }

    /// The entry at the cursor; nil before it has been moved, and past the end.
    public borrowing func current() throws(LMDBError) -> Entry? {
        try move(MDB_GET_CURRENT)
    }

    /// Moves to the first entry whose key is `key` or comes after it; returns nil when there is none.
    public borrowing func seek(atLeast key: UnsafeRawBufferPointer) throws(LMDBError) -> Entry? {
        try move(MDB_SET_RANGE, key: MDB_val(key))
    }

    /// Moves to the entry of a key, and returns its value; nil when there is none, and the cursor is then nowhere.
    ///
    /// Cheap when the key lies near to where the cursor is.
    public borrowing func seek(exactly key: UnsafeRawBufferPointer) throws(LMDBError) -> UnsafeRawBufferPointer? {
        try move(MDB_SET, key: MDB_val(key))?.value
    }

    /// Sets the value of a key, which may be empty, in a write transaction, and moves there.
    ///
    /// Cheap when the key lies near to where the cursor is. Otherwise as ``WriteTransaction/put(_:for:in:appending:)``.
    ///
    /// - Throws: ``LMDBError`` with `.permissionDenied` in a read transaction, `.badKeySize`, or `.mapFull`.
    public borrowing func put(
        _ value: UnsafeRawBufferPointer,
        for key: UnsafeRawBufferPointer
    ) throws(LMDBError) {
        try checkView("put at a cursor")
        var key = MDB_val(key)
        var value = MDB_val(value)
        try check(mdb_cursor_put(handle, &key, &value, 0), "put at a cursor", environment)
    }

    /// Makes room for the value of a key, for the caller to fill, in a write transaction, and moves there.
    ///
    /// Cheap when the key lies near to where the cursor is. Otherwise as
    /// ``WriteTransaction/reserve(_:for:in:appending:)``.
    ///
    /// - Throws: ``LMDBError`` with `.permissionDenied` in a read transaction, `.badKeySize`, or `.mapFull`.
    public borrowing func reserve(
        _ byteCount: Int,
        for key: UnsafeRawBufferPointer
    ) throws(LMDBError) -> UnsafeMutableRawBufferPointer {
        try checkView("reserve at a cursor")
        var key = MDB_val(key)
        var value = MDB_val(mv_size: byteCount, mv_data: nil)
        try check(mdb_cursor_put(handle, &key, &value, UInt32(MDB_RESERVE)), "reserve at a cursor", environment)
        return UnsafeMutableRawBufferPointer(start: value.mv_data, count: byteCount)
    }

    /// The bytes of the value at the cursor, for the caller to change, in a write transaction; its length stays.
    ///
    /// To be changed before the next change or the end of the transaction. Cost: that of setting the value, without its
    /// being put together first.
    ///
    /// - Throws: ``LMDBError`` with `.permissionDenied` in a read transaction, `.notFound` when there is no entry at
    ///   the cursor, or `.mapFull`.
    public borrowing func change() throws(LMDBError) -> UnsafeMutableRawBufferPointer {
        try checkView("change at a cursor")
        var key = MDB_val()
        var old = MDB_val()
        let result = mdb_cursor_get(handle, &key, &old, MDB_GET_CURRENT)
        try check(result == EINVAL ? MDB_NOTFOUND : result, "change at a cursor", environment)
        var value = MDB_val(mv_size: old.mv_size, mv_data: nil)
        // A long value is removed and put anew, by which its key in the page is moved: it is copied.
        let put = withUnsafeTemporaryAllocation(byteCount: key.mv_size, alignment: 8) { copy in
            copy.copyMemory(from: key.bytes)
            var key = MDB_val(UnsafeRawBufferPointer(copy))
            return mdb_cursor_put(handle, &key, &value, UInt32(MDB_CURRENT | MDB_RESERVE))
        }
        try check(put, "change at a cursor", environment)
        let bytes = UnsafeMutableRawBufferPointer(start: value.mv_data, count: value.mv_size)
        // Where the page has been copied, the old one stays what it was until the transaction has ended.
        if value.mv_data != old.mv_data { bytes.copyMemory(from: old.bytes) }
        return bytes
    }

    /// Removes the entry at the cursor, in a write transaction.
    ///
    /// The cursor is then between two entries: ``next()`` moves to the one after, as does ``current()``, and
    /// ``previous()`` to the one before.
    ///
    /// - Throws: ``LMDBError`` with `.permissionDenied` in a read transaction, `.notFound` when there is no entry at
    ///   the cursor.
    public borrowing func delete() throws(LMDBError) {
        try checkView("delete at a cursor")
        let result = mdb_cursor_del(handle, 0)
        // LMDB's word for a cursor that has not been moved.
        try check(result == EINVAL ? MDB_NOTFOUND : result, "delete at a cursor", environment)
    }

    private func move(_ operation: MDB_cursor_op, key: MDB_val = MDB_val()) throws(LMDBError) -> Entry? {
        try checkView("move a cursor")
        var key = key
        var value = MDB_val()
        let result = mdb_cursor_get(handle, &key, &value, operation)
        // LMDB's word for a cursor that has not been moved.
        if result == EINVAL, operation == MDB_GET_CURRENT { return nil }
        return try find(result, "move a cursor", environment) ? (key.bytes, value.bytes) : nil
    }

    /// The pages that a cursor stands on may be used for others after a reset.
    @inline(__always)
    private func checkView(_ operation: StaticString) throws(LMDBError) {
        if let view, view.pointee.resets != resets { throw environment.error(MDB_BAD_TXN, operation) }
    }
}
