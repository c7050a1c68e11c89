// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LMDB
internal import ZProcCore

/// The state's file, opened; the lock of its owner is free again when it has been closed.
final class StoreFile: Sendable {
    let environment: Environment
    private let lock: FileLock?

    init(_ environment: Environment, _ lock: FileLock?) {
        self.environment = environment
        self.lock = lock
    }
}

/// The right to a file of the only context that has it open.
final class FileLock: Sendable {
    private let descriptor: Int32

    /// Makes the file when it is not there.
    init(_ path: String) throws(StateError) {
        descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .storage(errno, "open", path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let error = errno
            close(descriptor)
            if error == EWOULDBLOCK {
                throw StateError(
                    .storageInUse,
                    "\(path) is open in another context; a state's file belongs to one context at a time"
                )
            }
            throw .storage(error, "lock", path)
        }
    }

    deinit { close(descriptor) }

    /// Whether there is nothing in the file yet.
    var fileIsEmpty: Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_size == 0
    }
}
