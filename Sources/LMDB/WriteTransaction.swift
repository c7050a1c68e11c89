// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

/// Changes that are committed together, or not at all; ends without a commit when it goes out of scope.
///
/// There is one at a time, in all processes: making another waits. It belongs to the thread that made it. When its
/// process dies, the next writer goes on from the last commit.
public struct WriteTransaction: ~Copyable {
    let handle: OpaquePointer
    /// Held until the end.
    private let environment: Unmanaged<Environment>

    /// Begins, when no other writer is left.
    public init(_ environment: Environment) throws(LMDBError) {
        var handle: OpaquePointer?
        try check(mdb_txn_begin(environment.handle, nil, 0, &handle), "write to", path: environment.path)
        guard let handle else { throw LMDBError(LMDBError.Code.noMemory.rawValue, "write to", path: environment.path) }
        self.handle = handle
        self.environment = .passRetained(environment)
    }

    deinit {
        mdb_txn_abort(handle)
        environment.release()
    }

    /// The number the commit will have.
    public var id: Int { mdb_txn_id(handle) }

    /// The value of a key, or nil; valid until the next write or the end.
    public borrowing func get(
        _ key: UnsafeRawBufferPointer,
        in database: Database
    ) throws(LMDBError) -> UnsafeRawBufferPointer? {
        try getValue(handle, key, database)
    }

    /// Gives a key a value; with `appending`, the key must come after all others.
    public borrowing func put(
        _ value: UnsafeRawBufferPointer,
        for key: UnsafeRawBufferPointer,
        in database: Database,
        appending: Bool = false
    ) throws(LMDBError) {
        var key = MDB_val(key), value = MDB_val(value)
        try check(mdb_put(handle, database.number, &key, &value, appending ? UInt32(MDB_APPEND) : 0), "put")
    }

    /// Gives a key a value of so many bytes, to be filled in before the next call.
    public borrowing func reserve(
        _ byteCount: Int,
        for key: UnsafeRawBufferPointer,
        in database: Database,
        appending: Bool = false
    ) throws(LMDBError) -> UnsafeMutableRawBufferPointer {
        var key = MDB_val(key), value = MDB_val(mv_size: byteCount, mv_data: nil)
        let flags = UInt32(MDB_RESERVE) | (appending ? UInt32(MDB_APPEND) : 0)
        try check(mdb_put(handle, database.number, &key, &value, flags), "put")
        return UnsafeMutableRawBufferPointer(start: value.mv_data, count: byteCount)
    }

    /// Removes a key; whether it was there.
    public borrowing func delete(_ key: UnsafeRawBufferPointer, in database: Database) throws(LMDBError) -> Bool {
        var key = MDB_val(key)
        let result = mdb_del(handle, database.number, &key, nil)
        if result == MDB_NOTFOUND { return false }
        try check(result, "delete")
        return true
    }

    /// Removes all keys.
    public borrowing func removeAll(in database: Database) throws(LMDBError) {
        try check(mdb_drop(handle, database.number, 0), "empty")
    }

    /// How many keys there are.
    public borrowing func count(in database: Database) throws(LMDBError) -> Int {
        try entryCount(handle, database)
    }

    /// Goes through a database in the order of its keys.
    public borrowing func withCursor<R>(in database: Database, _ body: (borrowing Cursor) throws -> R) throws -> R {
        try body(try Cursor(handle, database))
    }

    /// Makes the changes everybody's.
    public consuming func commit() throws(LMDBError) {
        let result = mdb_txn_commit(handle)
        let environment = environment.takeRetainedValue()
        // The handle is gone, whether that worked or not.
        discard self
        try check(result, "commit to", path: environment.path)
    }
}

func getValue(
    _ transaction: OpaquePointer,
    _ key: UnsafeRawBufferPointer,
    _ database: Database
) throws(LMDBError) -> UnsafeRawBufferPointer? {
    var key = MDB_val(key), value = MDB_val()
    let result = mdb_get(transaction, database.number, &key, &value)
    if result == MDB_NOTFOUND { return nil }
    try check(result, "get")
    return UnsafeRawBufferPointer(value)
}

func entryCount(_ transaction: OpaquePointer, _ database: Database) throws(LMDBError) -> Int {
    var statistics = MDB_stat()
    try check(mdb_stat(transaction, database.number, &statistics), "count")
    return statistics.ms_entries
}

extension MDB_val {
    /// LMDB reads through the pointer only, whatever its type says.
    init(_ bytes: UnsafeRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }
}

extension UnsafeRawBufferPointer {
    init(_ value: MDB_val) { self.init(start: value.mv_data, count: value.mv_size) }
}
