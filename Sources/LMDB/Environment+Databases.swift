// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

extension Environment {
    /// Opens a database, or creates it if it does not exist.
    ///
    /// The handle is for this transaction only until it has been committed, then for all. Open databases once, when
    /// the environment has been opened, and keep the handles. It is cheap when the database is open already.
    ///
    /// - Throws: ``LMDBError`` with `.notFound` if it does not exist and is not to be created, `.databasesFull`,
    ///   `.incompatible` when the name is that of a record, or `.busy` while a read transaction of this process that
    ///   has opened a database is under way.
    public func openDatabase(
        _ name: String,
        in transaction: borrowing WriteTransaction,
        creating: Bool = true
    ) throws(LMDBError) -> Database {
        try openDatabase(
            name,
            in: transaction.handle,
            token: transaction.openingToken,
            flags: creating ? UInt32(MDB_CREATE) : 0
        )
    }

    /// Opens a database that exists.
    ///
    /// The handle is for this transaction only until it ends or is reset, then for all. That reset gives up the reader
    /// slot too, and the next ``ReadTransaction/renew()`` looks for one.
    ///
    /// - Throws: ``LMDBError`` with `.notFound` if it does not exist, `.databasesFull`, `.incompatible` when the name
    ///   is that of a record, or `.busy` while another transaction of this process that has opened a database is under
    ///   way.
    public func openDatabase(_ name: String, in transaction: borrowing ReadTransaction) throws(LMDBError) -> Database {
        try openDatabase(name, in: transaction.view("open a database"), token: transaction.openingToken, flags: 0)
    }

    /// Opens the unnamed database, which every environment has.
    ///
    /// Named databases are records in it, so use it for a file without any. Its handle is good for all transactions at once.
    public func openDatabase(in transaction: borrowing WriteTransaction) throws(LMDBError) -> Database {
        try openUnnamed(in: transaction.handle)
    }

    /// Opens the unnamed database, which every environment has.
    public func openDatabase(in transaction: borrowing ReadTransaction) throws(LMDBError) -> Database {
        try openUnnamed(in: transaction.view("open a database"))
    }

    private func openUnnamed(in transaction: OpaquePointer?) throws(LMDBError) -> Database {
        var database: MDB_dbi = 0
        try check(mdb_dbi_open(transaction, nil, 0, &database), "open a database", self)
        return Database(handle: database)
    }

    private func openDatabase(
        _ name: String,
        in transaction: OpaquePointer?,
        token: UInt,
        flags: UInt32
    ) throws(LMDBError) -> Database {
        guard opening.begin(token) else { throw error(EBUSY, "open a database") }
        var database: MDB_dbi = 0
        try check(mdb_dbi_open(transaction, name, flags, &database), "open a database", self)
        return Database(handle: database)
    }
}
