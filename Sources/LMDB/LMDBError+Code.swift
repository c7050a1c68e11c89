// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

extension LMDBError {
    /// The number that LMDB or the operating system returned: LMDB's own are negative, the system's are those of errno.
    public struct Code: RawRepresentable, Hashable, Sendable {
        /// The number itself.
        public let rawValue: Int32

        /// Makes the code of a number.
        public init(rawValue: Int32) {
            self.rawValue = rawValue
        }

        /// The database or key does not exist.
        public static let notFound = Code(rawValue: MDB_NOTFOUND)
        /// The key exists, or one that is greater, where one was to be appended.
        public static let keyExists = Code(rawValue: MDB_KEYEXIST)
        /// The map has no room left; abort, then ``Environment/setMapSize(_:)`` makes more.
        public static let mapFull = Code(rawValue: MDB_MAP_FULL)
        /// Another process made the map larger; ``Environment/setMapSize(_:)`` with 0 takes its size.
        public static let mapResized = Code(rawValue: MDB_MAP_RESIZED)
        /// All reader slots are taken, perhaps by dead processes; see ``Environment/checkReaders()``.
        public static let readersFull = Code(rawValue: MDB_READERS_FULL)
        /// As many databases are open as the options allow.
        public static let databasesFull = Code(rawValue: MDB_DBS_FULL)
        /// The transaction has changed too many pages.
        public static let transactionFull = Code(rawValue: MDB_TXN_FULL)
        /// A page is not what it should be.
        public static let corrupted = Code(rawValue: MDB_CORRUPTED)
        /// A page is missing, which mostly means that the file is damaged.
        public static let pageNotFound = Code(rawValue: MDB_PAGE_NOTFOUND)
        /// The file is not one of LMDB's.
        public static let invalid = Code(rawValue: MDB_INVALID)
        /// The file or its lock file was made by an incompatible version of LMDB.
        public static let versionMismatch = Code(rawValue: MDB_VERSION_MISMATCH)
        /// An earlier failure has made the environment unusable; close it.
        public static let panic = Code(rawValue: MDB_PANIC)
        /// The transaction has given up its view, or failed before and can only be aborted.
        public static let badTransaction = Code(rawValue: MDB_BAD_TXN)
        /// The key is empty or longer than ``Environment/maximumKeySize``, or the value is longer than 4 GiB.
        public static let badKeySize = Code(rawValue: MDB_BAD_VALSIZE)
        /// The database was closed, or dropped and made anew, since the transaction began.
        public static let badDatabase = Code(rawValue: MDB_BAD_DBI)
        /// The operation does not fit the kind of database or record.
        public static let incompatible = Code(rawValue: MDB_INCOMPATIBLE)
        /// The disk has no space left.
        public static let diskFull = Code(rawValue: ENOSPC)
        /// There is no memory left, or no room for the map among the addresses.
        public static let noMemory = Code(rawValue: ENOMEM)
        /// The system refuses access, or a write was tried where only reading is allowed.
        public static let permissionDenied = Code(rawValue: EACCES)
        /// The file system is read-only.
        public static let readOnly = Code(rawValue: EROFS)
        /// The device failed.
        public static let inputOutput = Code(rawValue: EIO)
        /// It has to wait for others to end: the file is open, or transactions are under way.
        public static let busy = Code(rawValue: EBUSY)
        /// The file or its folder does not exist.
        public static let noSuchFile = Code(rawValue: ENOENT)
        /// The thread has a write transaction already, and would wait for itself.
        public static let deadlock = Code(rawValue: EDEADLK)
        /// An argument is out of range, or the database is not known to the transaction.
        public static let invalidArgument = Code(rawValue: EINVAL)
    }
}
