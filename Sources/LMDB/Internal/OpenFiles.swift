// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB
internal import Glibc
internal import Synchronization

/// The files that this process has open.
///
/// The system drops all locks that a process has on a file as soon as it closes any descriptor of it, so a second
/// environment on one file would take the first one's locks away.
enum OpenFiles {
    /// A file, by whatever path.
    struct Identity: Hashable {
        let device: dev_t
        let number: ino_t

        init(_ status: stat) {
            device = status.st_dev
            number = status.st_ino
        }

        init?(path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            self.init(status)
        }

        init?(descriptor: CInt) {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { return nil }
            self.init(status)
        }
    }

    private static let files = Mutex<Set<Identity>>([])

    /// Opens a file that is not open.
    static func open(
        _ handle: OpaquePointer,
        path: String,
        flags: UInt32,
        permissions: UInt32
    ) throws(LMDBError) -> Identity {
        // The lock is held while the file is opened, so that two threads cannot both find it closed.
        try files.withLock { files throws(LMDBError) in
            if let file = Identity(path: path), files.contains(file) {
                throw LMDBError(.busy, "open an environment twice in a process", path: path)
            }
            let result = mdb_env_open(handle, path, flags, permissions)
            if result != 0 { throw LMDBError(.init(rawValue: result), "open an environment", path: path) }
            var descriptor: CInt = -1
            guard mdb_env_get_fd(handle, &descriptor) == 0, let file = Identity(descriptor: descriptor) else {
                throw LMDBError(.invalidArgument, "find out the file of an environment", path: path)
            }
            files.insert(file)
            return file
        }
    }

    /// Closes an environment and forgets its file.
    static func close(_ handle: OpaquePointer, _ file: Identity) {
        files.withLock { files in
            mdb_env_close(handle)
            files.remove(file)
        }
    }
}
