// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

extension Environment {
    /// How an environment is opened.
    ///
    /// All processes that open one file should do so with the same options.
    public struct Options: Sendable {
        /// The greatest size of the data in bytes; addresses are reserved for all of it, disk or memory is not.
        ///
        /// It becomes the size of the file if that is greater, with ``writesThroughMap``.
        public var mapSize: Int = 1 << 30
        /// How many read transactions all processes may have at a time; the first process to open the file decides.
        public var maximumReaders = 1024
        /// How many databases may be open.
        public var maximumDatabases = 8
        /// Whether writes go straight to the mapped file, which is faster.
        ///
        /// Stray pointers can then damage the data, and the process gets the signal SIGBUS instead of
        /// ``LMDBError/Code/diskFull`` when the file system is full.
        public var writesThroughMap = false
        /// Whether a commit waits until its data is on the disk.
        ///
        /// Without, a crash of the system may undo commits or damage the file; a crash of a process does neither.
        public var syncsCommits = true
        /// Whether a commit waits until the page that makes it the newest is on the disk.
        ///
        /// Without, a crash of the system may undo the last commit, no more.
        public var syncsMeta = true
        /// Whether only read transactions can be made.
        public var isReadOnly = false
        /// The permissions of files that have to be created.
        public var permissions: UInt32 = 0o600

        /// Makes the default options.
        public init() {}
    }
}
