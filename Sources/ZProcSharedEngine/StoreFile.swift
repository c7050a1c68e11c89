// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CSharedStore
internal import Dispatch
internal import Glibc
internal import LMDB
internal import ZProcCore

/// The state's file, opened; the lock of its owner is free again when it has been closed.
final class StoreFile: Sendable {
    // In this order: the lock is free when the file has been closed.
    let environment: Environment
    private let lock: FileLock?

    /// Signalled when the file is closed and its lock is free; nil for a guest's.
    var freed: DispatchSemaphore? { lock?.freed }

    init(_ environment: Environment, _ lock: FileLock?) {
        self.environment = environment
        self.lock = lock
    }
}

/// The right to a file of the only context that has it open.
final class FileLock: Sendable {
    private let descriptor: Int32
    private let path: String
    /// Signalled when the lock is free.
    let freed = DispatchSemaphore(value: 0)
    /// Whether there was no file.
    let isNew: Bool

    /// Makes the file when it is not there.
    init(_ path: String) throws(StateError) {
        self.path = path
        isNew = access(path, F_OK) != 0
        // Not yet the property: an object that has all of them is deinitialised even if its initialiser throws.
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
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
        self.descriptor = descriptor
    }

    deinit {
        // A process that is being started may have the descriptor for a moment, and with it the lock.
        flock(descriptor, LOCK_UN)
        close(descriptor)
        freed.signal()
    }

    /// How long the file is, in bytes.
    var fileLength: Int {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Makes the file no longer than this.
    func cut(to byteCount: Int) throws(StateError) {
        guard fileLength > byteCount, ftruncate(descriptor, off_t(byteCount)) != 0 else { return }
        throw .storage(errno, "cut", path)
    }

    /// Gives the file room, and returns how much it has; a file system that cannot do so has as much as one asks for.
    func allocate(_ byteCount: UInt64) throws(StateError) -> UInt64 {
        switch cshared_allocate(descriptor, 0, byteCount) {
        case 0: return byteCount
        case EOPNOTSUPP, ENOSYS: return .max
        case let error: throw .storage(error, "grow", path)
        }
    }
}
