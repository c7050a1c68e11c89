// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB
internal import Synchronization

/// The files that this process has open.
///
/// The system drops all locks that a process has on a file as soon as it closes any descriptor of it, so a second
/// environment on one file would take the first one's locks away.
enum OpenFiles {
    private static let files = Mutex<[FileStatus.Identity]>([])

    /// Opens a file that is not open, and returns its descriptor, which LMDB goes on using.
    static func open(
        _ handle: OpaquePointer,
        path: String,
        flags: UInt32,
        permissions: UInt32
    ) throws(LMDBError) -> (file: FileStatus.Identity, descriptor: CInt) {
        // The lock is held while the file is opened, so that two threads cannot both find it closed.
        try files.withLock { files throws(LMDBError) in
            if let status = FileStatus(path: path), files.contains(status.identity) {
                throw LMDBError(.busy, "open an environment twice in a process", path: path)
            }
            let result = mdb_env_open(handle, path, flags, permissions)
            if result != 0 { throw LMDBError(.init(rawValue: result), "open an environment", path: path) }
            var descriptor: CInt = -1
            guard mdb_env_get_fd(handle, &descriptor) == 0, let status = FileStatus(descriptor: descriptor) else {
                throw LMDBError(.invalidArgument, "find out the file of an environment", path: path)
            }
            files.append(status.identity)
            return (status.identity, descriptor)
        }
    }

    /// Closes an environment and forgets its file.
    static func close(_ handle: OpaquePointer, _ file: FileStatus.Identity) {
        files.withLock { files in
            mdb_env_close(handle)
            files.removeAll { $0 == file }
        }
    }
}
