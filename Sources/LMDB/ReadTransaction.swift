// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

/// A view of all databases as they were at one commit; writers go on meanwhile.
///
/// Pages that a view may need are not used again, so the file grows under an old one: reset it, and renew it for the next
/// look. It may be used by one thread at a time, any thread, because environments are opened without thread-local readers.
public struct ReadTransaction: ~Copyable, @unchecked Sendable {
    /// Used by one thread at a time, which is the caller's duty.
    let handle: OpaquePointer
    /// Held until the end.
    private let environment: Unmanaged<Environment>

    /// Takes a view of the last commit.
    public init(_ environment: Environment) throws(LMDBError) {
        var handle: OpaquePointer?
        try check(mdb_txn_begin(environment.handle, nil, UInt32(MDB_RDONLY), &handle), "read", path: environment.path)
        guard let handle else { throw LMDBError(LMDBError.Code.noMemory.rawValue, "read", path: environment.path) }
        self.handle = handle
        self.environment = .passRetained(environment)
    }

    deinit {
        mdb_txn_abort(handle)
        environment.release()
    }

    /// The commit that is seen.
    public var id: Int { mdb_txn_id(handle) }

    /// The value of a key, or nil; valid until the end, or a reset.
    public borrowing func get(
        _ key: UnsafeRawBufferPointer,
        in database: Database
    ) throws(LMDBError) -> UnsafeRawBufferPointer? {
        try getValue(handle, key, database)
    }

    /// How many keys there are.
    public borrowing func count(in database: Database) throws(LMDBError) -> Int {
        try entryCount(handle, database)
    }

    /// Goes through a database in the order of its keys.
    public borrowing func withCursor<R>(in database: Database, _ body: (borrowing Cursor) throws -> R) throws -> R {
        try body(try Cursor(handle, database))
    }

    /// Gives up the view and keeps the place among the readers.
    public borrowing func reset() { mdb_txn_reset(handle) }

    /// Takes a view of the last commit, after a reset.
    public borrowing func renew() throws(LMDBError) { try check(mdb_txn_renew(handle), "read") }

    /// Ends the view; databases that were opened in it stay open.
    public consuming func commit() throws(LMDBError) {
        let result = mdb_txn_commit(handle)
        environment.release()
        discard self
        try check(result, "read")
    }
}
