// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

extension Environment {
    /// Sizes and counts of an environment at one time.
    public struct Info: Hashable, Sendable {
        /// The size of the map in bytes.
        public let mapSize: Int
        /// The size of a page in bytes.
        public let pageSize: Int
        /// The number of the last page in use; pages are counted from 0.
        public let lastPageNumber: Int
        /// The id of the newest write transaction that has been committed.
        public let lastTransactionID: Int
        /// How many reader slots there are.
        public let maximumReaders: Int
    }

    /// Sizes and counts as they are now.
    public var info: Info {
        get throws(LMDBError) {
            var info = MDB_envinfo()
            try check(mdb_env_info(handle, &info), "read the info of an environment", self)
            var statistics = MDB_stat()
            try check(mdb_env_stat(handle, &statistics), "read the statistics of an environment", self)
            return Info(
                mapSize: info.me_mapsize,
                pageSize: Int(statistics.ms_psize),
                lastPageNumber: info.me_last_pgno,
                lastTransactionID: info.me_last_txnid,
                maximumReaders: Int(info.me_maxreaders)
            )
        }
    }

    /// How many reader slots are taken, by this and other processes, dead ones included.
    public var readersInUse: Int { ReaderTable(of: handle).slots }
}
