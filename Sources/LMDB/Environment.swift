// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

/// A file of ordered tables that many processes and threads read and write, one writer at a time.
///
/// A process opens a file once. Safe to use from all threads: LMDB has its own locks, and nothing here changes after
/// `init`.
public final class Environment: Sendable {
    /// How to open a file.
    public struct Options: Sendable {
        /// The most bytes the file can have; address space of this size is taken.
        public var mapSize = 1 << 30
        /// The most read transactions at a time, in all processes.
        public var maximumReaders = 1024
        /// The most named databases.
        public var maximumDatabases = 8
        /// Whether to write into the map itself, which is fast but ends the process when the disk is full.
        public var writesThroughMap = false
        /// Whether a commit waits for the disk.
        public var syncsCommits = true
        /// Whether it waits for the disk once more, for the page that tells of it.
        public var syncsMeta = true
        /// Whether the file is only read.
        public var isReadOnly = false
        /// The file's permissions, when it is made.
        public var permissions: UInt32 = 0o600

        /// Makes the options of a small file that is as safe as can be.
        public init() {}
    }

    /// What can be told of an environment.
    public struct Info: Sendable {
        /// The most bytes the file can have.
        public let mapSize: Int
        /// The size of a page, in bytes.
        public let pageSize: Int
        /// The last page in use.
        public let lastPageNumber: Int
        /// The last transaction that was committed; 0 for none.
        public let lastTransactionID: Int
        /// The most readers at a time.
        public let maximumReaders: Int
        /// How many places for readers have been used.
        public let readersInUse: Int
    }

    /// The file.
    public let path: String
    /// Never changed after `init`, and closed in `deinit`, when no transaction is left: each holds this object.
    nonisolated(unsafe) let handle: OpaquePointer
    private let pageSize: Int

    /// Opens a file, and makes it when it is not there.
    ///
    /// - Parameters:
    ///   - path: the file; LMDB has another beside it, with `-lock` at the end of its name.
    ///   - options: how.
    /// - Throws: ``LMDBError``, such as invalid for a file of something else.
    public init(path: String, options: Options = Options()) throws(LMDBError) {
        var created: OpaquePointer?
        try check(mdb_env_create(&created), "open", path: path)
        guard let handle = created else { throw LMDBError(LMDBError.Code.noMemory.rawValue, "open", path: path) }
        do throws(LMDBError) {
            try check(mdb_env_set_mapsize(handle, options.mapSize), "open", path: path)
            try check(mdb_env_set_maxreaders(handle, UInt32(options.maximumReaders)), "open", path: path)
            try check(mdb_env_set_maxdbs(handle, UInt32(options.maximumDatabases)), "open", path: path)
            var flags = UInt32(MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD)
            if options.writesThroughMap { flags |= UInt32(MDB_WRITEMAP) }
            if !options.syncsCommits { flags |= UInt32(MDB_NOSYNC) }
            if !options.syncsMeta { flags |= UInt32(MDB_NOMETASYNC) }
            if options.isReadOnly { flags |= UInt32(MDB_RDONLY) }
            try check(mdb_env_open(handle, path, flags, options.permissions), "open", path: path)
            var statistics = MDB_stat()
            try check(mdb_env_stat(handle, &statistics), "open", path: path)
            pageSize = Int(statistics.ms_psize)
        } catch {
            mdb_env_close(handle)
            throw error
        }
        self.handle = handle
        self.path = path
    }

    deinit { mdb_env_close(handle) }

    /// What can be told now.
    public var info: Info {
        get throws(LMDBError) {
            var info = MDB_envinfo()
            try check(mdb_env_info(handle, &info), "look at", path: path)
            return Info(
                mapSize: info.me_mapsize,
                pageSize: pageSize,
                lastPageNumber: info.me_last_pgno,
                lastTransactionID: info.me_last_txnid,
                maximumReaders: Int(info.me_maxreaders),
                readersInUse: Int(info.me_numreaders)
            )
        }
    }

    /// The longest key, in bytes.
    public var maximumKeySize: Int { Int(mdb_env_get_maxkeysize(handle)) }

    /// A named database, for as long as the environment lives, if the transaction is committed.
    ///
    /// - Parameters:
    ///   - name: its name.
    ///   - transaction: the only one that is open in this process.
    ///   - creating: whether to make it when it is not there.
    /// - Returns: the database.
    /// - Throws: ``LMDBError``, such as notFound.
    public func openDatabase(
        _ name: String,
        in transaction: borrowing WriteTransaction,
        creating: Bool = true
    ) throws(LMDBError) -> Database {
        var number: MDB_dbi = 0
        try check(mdb_dbi_open(transaction.handle, name, creating ? UInt32(MDB_CREATE) : 0, &number), "open database")
        return Database(number: number)
    }

    /// A named database that is there.
    ///
    /// - Parameters:
    ///   - name: its name.
    ///   - transaction: the only one that is open in this process; commit it for the database to stay open.
    /// - Returns: the database.
    /// - Throws: ``LMDBError``, such as notFound.
    public func openDatabase(
        _ name: String,
        in transaction: borrowing ReadTransaction
    ) throws(LMDBError) -> Database {
        var number: MDB_dbi = 0
        try check(mdb_dbi_open(transaction.handle, name, 0, &number), "open database")
        return Database(number: number)
    }

    /// Waits until all that was committed is on the disk.
    public func sync() throws(LMDBError) { try check(mdb_env_sync(handle, 1), "sync", path: path) }

    /// Frees the places of readers whose processes have ended; gives how many there were.
    public func checkReaders() throws(LMDBError) -> Int {
        var dead: Int32 = 0
        try check(mdb_reader_check(handle, &dead), "check readers of", path: path)
        return Int(dead)
    }

    /// Changes how large the file can be, or with 0 takes the size that another process has set.
    ///
    /// There must be no transaction in this process.
    public func setMapSize(_ bytes: Int) throws(LMDBError) {
        try check(mdb_env_set_mapsize(handle, bytes), "resize", path: path)
    }
}

/// A table of an environment.
public struct Database: Hashable, Sendable {
    let number: UInt32
}
