// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB
internal import Glibc
internal import Synchronization

/// A file of databases, mapped into memory and shared with the other processes that have it open.
///
/// There is one write transaction at a time, in all processes together; any number of read transactions go on beside
/// it, each with the view of the moment it began. A process that is killed blocks nobody: the lock of a writer is freed
/// by the system, and what a reader held is freed by ``checkReaders()``.
///
/// A process opens a file once; a second time is refused with ``LMDBError/Code/busy``. An environment must not be used
/// in a forked child. It is closed when the last reference to it and its last transaction have gone.
///
/// The file `<path>-lock` beside it holds the reader slots and the locks. A process that has it open must not open and
/// close it by other means: the system would drop the locks that tell others it is alive.
///
/// It can be used from all threads: LMDB's own locks guard the file and the reader slots, and what LMDB leaves to its
/// callers is guarded here, the opening of databases by an atomic word and the change of the map's size by a mutex.
public final class Environment: Sendable {
    /// The path of the file.
    public let path: String

    /// Valid until the end of this object, which all transactions keep alive.
    nonisolated(unsafe) let handle: OpaquePointer
    let writer = Writer()
    let opening = DatabaseOpening()
    private let file: FileStatus.Identity
    /// LMDB's, and open as long as this object.
    private let descriptor: CInt
    private let writesThroughMap: Bool
    private let resizing = Mutex(())

    /// Opens a file, or creates it unless it is to be read only; its folder must exist.
    ///
    /// - Throws: ``LMDBError`` with `.noSuchFile` or `.permissionDenied`, `.invalid` for a file that is not LMDB's,
    ///   `.versionMismatch`, `.busy` when this process has it open, or another error of the system.
    public init(path: String, options: Options = .init()) throws(LMDBError) {
        var handle: OpaquePointer?
        let result = mdb_env_create(&handle)
        guard result == 0, let handle else {
            throw LMDBError(.init(rawValue: result), "create an environment", path: path)
        }
        do {
            try Self.apply(options, to: handle, path: path)
            (file, descriptor) = try OpenFiles.open(
                handle,
                path: path,
                flags: options.flags,
                permissions: options.permissions
            )
        } catch {
            mdb_env_close(handle)
            throw error
        }
        self.path = path
        self.handle = handle
        writesThroughMap = options.changesFileSize
    }

    deinit {
        OpenFiles.close(handle, file)
    }

    private static func apply(_ options: Options, to handle: OpaquePointer, path: String) throws(LMDBError) {
        // LMDB would cut the file to a smaller map, and with it the maps of other processes.
        let fileSize = options.changesFileSize ? FileStatus(path: path)?.size ?? 0 : 0
        var result = mdb_env_set_mapsize(handle, max(options.mapSize, fileSize))
        if result == 0 { result = mdb_env_set_maxreaders(handle, UInt32(clamping: options.maximumReaders)) }
        if result == 0 { result = mdb_env_set_maxdbs(handle, UInt32(clamping: options.maximumDatabases)) }
        if result != 0 { throw LMDBError(.init(rawValue: result), "set the limits of an environment", path: path) }
    }

    /// The greatest length of a key in bytes.
    public var maximumKeySize: Int {
        Int(mdb_env_get_maxkeysize(handle))
    }

    /// Waits until everything committed is on the disk, whatever the options say.
    public func sync() throws(LMDBError) {
        try check(mdb_env_sync(handle, 1), "sync", self)
    }

    /// Frees the reader slots of processes that have died, so that the pages they kept can be used again.
    ///
    /// Returns how many slots were freed. To be called by whoever notices that a process has died.
    @discardableResult
    public func checkReaders() throws(LMDBError) -> Int {
        var count: Int32 = 0
        try check(mdb_reader_check(handle, &count), "check readers", self)
        return Int(count)
    }

    /// Changes how large the data may become; 0 takes the size that another process has set.
    ///
    /// Other processes learn of the size when this one has used the room that is new. A size below what is in use, or
    /// with ``Options/writesThroughMap`` below that of the file, becomes that.
    ///
    /// No transaction of this process may have a view meanwhile, nor begin: the map moves, and its bytes with it.
    ///
    /// - Throws: ``LMDBError/Code/busy`` when a transaction of this process is under way, `.noMemory` when there is no
    ///   room for the map, or another error of the system.
    public func setMapSize(_ bytes: Int) throws(LMDBError) {
        try resizing.withLock { _ throws(LMDBError) in
            if writer.isWriting || ReaderTable(of: handle).viewsOfThisProcess > 0 {
                throw error(EBUSY, "set the map size")
            }
            let result = mdb_env_set_mapsize(handle, try makeRoom(bytes))
            // A writer has come in between.
            if result == EINVAL { throw error(EBUSY, "set the map size") }
            precondition(result == 0, "\(error(result, "set the map size")), and the old map is gone")
        }
    }

    /// Sees to it that a map can have a size, as LMDB gives the old map away before it tries.
    ///
    /// Returns the size, which is greater for a file that must not be cut.
    private func makeRoom(_ bytes: Int) throws(LMDBError) -> Int {
        if bytes < 0 { throw error(EINVAL, "set the map size") }
        let fileSize = writesThroughMap ? FileStatus(descriptor: descriptor)?.size ?? 0 : 0
        let size = max(bytes, fileSize)
        if size > 0 {
            let room = mmap(nil, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            if room == MAP_FAILED { throw error(errno, "make room for the map") }
            munmap(room, size)
        }
        if writesThroughMap, ftruncate(descriptor, size) != 0 { throw error(errno, "make room in the file") }
        return size
    }

    /// Kept out of the callers, whose path without errors stays short.
    @inline(never)
    func error(_ number: Int32, _ operation: StaticString) -> LMDBError {
        LMDBError(.init(rawValue: number), operation, path: path)
    }
}

extension Environment.Options {
    /// LMDB makes the file as long as the map if it writes through it.
    fileprivate var changesFileSize: Bool { writesThroughMap && !isReadOnly }

    fileprivate var flags: UInt32 {
        var flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD
        if writesThroughMap { flags |= MDB_WRITEMAP }
        if !syncsCommits { flags |= MDB_NOSYNC }
        if !syncsMeta { flags |= MDB_NOMETASYNC }
        if isReadOnly { flags |= MDB_RDONLY }
        return UInt32(flags)
    }
}
