// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB
internal import Glibc

/// Why a call to LMDB failed.
public struct LMDBError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure: a number of LMDB's, or an error number of the operating system.
    public struct Code: Hashable, Sendable {
        /// What LMDB returned.
        public let rawValue: Int32

        init(_ rawValue: Int32) { self.rawValue = rawValue }

        /// There is no such key or database.
        public static var notFound: Code { Code(MDB_NOTFOUND) }
        /// The map is full.
        public static var mapFull: Code { Code(MDB_MAP_FULL) }
        /// Another process has made the map larger.
        public static var mapResized: Code { Code(MDB_MAP_RESIZED) }
        /// There is no place for one more reader.
        public static var readersFull: Code { Code(MDB_READERS_FULL) }
        /// A page is of the wrong kind.
        public static var corrupted: Code { Code(MDB_CORRUPTED) }
        /// A page that should be there is not.
        public static var pageNotFound: Code { Code(MDB_PAGE_NOTFOUND) }
        /// The file is none of LMDB's.
        public static var invalid: Code { Code(MDB_INVALID) }
        /// The file was written by another version of LMDB.
        public static var versionMismatch: Code { Code(MDB_VERSION_MISMATCH) }
        /// The environment can no longer be used.
        public static var panic: Code { Code(MDB_PANIC) }
        /// The transaction has ended, or must be aborted.
        public static var badTransaction: Code { Code(MDB_BAD_TXN) }
        /// The key is empty or too long.
        public static var badKeySize: Code { Code(MDB_BAD_VALSIZE) }
        /// The database is of another kind.
        public static var incompatible: Code { Code(MDB_INCOMPATIBLE) }
        /// The disk is full.
        public static var diskFull: Code { Code(ENOSPC) }
        /// There is no memory or address space.
        public static var noMemory: Code { Code(ENOMEM) }
        /// The file or the transaction may not be written to.
        public static var permissionDenied: Code { Code(EACCES) }
        /// The file system may not be written to.
        public static var readOnly: Code { Code(EROFS) }
        /// The disk failed.
        public static var inputOutput: Code { Code(EIO) }
        /// Somebody else uses it.
        public static var busy: Code { Code(EBUSY) }
        /// There is no such file or directory.
        public static var noSuchFile: Code { Code(ENOENT) }
    }

    /// The kind of failure.
    public let code: Code
    /// What was to be done, such as `put`.
    public let operation: String
    /// The file, where it is known.
    public let path: String?

    init(_ result: Int32, _ operation: StaticString, path: String? = nil) {
        code = Code(result)
        self.operation = operation.description
        self.path = path
    }

    /// One line: the operation, the file, and what LMDB says.
    public var description: String {
        "cannot \(operation)\(path.map { " \($0)" } ?? ""): \(String(cString: mdb_strerror(code.rawValue)))"
    }
}

/// Throws what a call returned, if that is an error.
@inline(__always)
func check(_ result: Int32, _ operation: StaticString, path: String? = nil) throws(LMDBError) {
    if result != MDB_SUCCESS { throw LMDBError(result, operation, path: path) }
}
