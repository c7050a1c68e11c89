// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
package import ZProcCore

/// Keeps others from listening at the path of a Unix domain socket, which would be taken over without a question.
///
/// A lock on a file beside the socket, which the system frees when its owner dies.
package final class SocketFileLock: Sendable {
    private let socketPath: String
    private let path: String
    private let descriptor: Mutex<Int32>

    /// - Throws: ``TransportError/Code/addressInUse`` when somebody has it, or what lies at the path is no socket.
    package init(for endpoint: Endpoint) throws(TransportError) {
        socketPath = endpoint.address
        path = "\(socketPath).lock"
        descriptor = Mutex(try Self.lock(path, for: endpoint))
    }

    private static func lock(_ path: String, for endpoint: Endpoint) throws(TransportError) -> Int32 {
        // One who listens removes what is there.
        var status = stat()
        if lstat(endpoint.address, &status) == 0, status.st_mode & S_IFMT != S_IFSOCK {
            throw TransportError(
                .addressInUse,
                "what lies at \(endpoint.address) is no socket, and is left alone; choose another path"
            )
        }
        var owner: Int?
        for attempt in 1...attempts {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else {
                throw TransportError(
                    errno == EACCES || errno == EPERM || errno == EROFS ? .permissionDenied : .invalidEndpoint,
                    "cannot make a socket at \(endpoint.address): \(String(cString: strerror(errno))); choose another directory"
                )
            }
            let isLocked = flock(descriptor, LOCK_EX | LOCK_NB) == 0
            if isLocked, isFile(descriptor, at: path) {
                // For those who want the path.
                let text = Array("\(getpid())\n".utf8)
                ftruncate(descriptor, 0)
                _ = pwrite(descriptor, text, text.count, 0)
                return descriptor
            }
            owner = isLocked ? nil : self.owner(descriptor)
            close(descriptor)
            // Somebody who removes what was left behind has it for a moment, or has removed it before it was locked.
            if !isLocked, attempt < attempts { usleep(1_000) }
        }
        throw TransportError(
            .addressInUse,
            "\(owner.map { "process \($0)" } ?? "another process") listens at \(endpoint); choose another path, or end it"
        )
    }

    /// How often the lock is tried for, when somebody has it a millisecond apart.
    private static let attempts = 20

    private static func isFile(_ descriptor: Int32, at path: String) -> Bool {
        var open = stat(), named = stat()
        return fstat(descriptor, &open) == 0 && stat(path, &named) == 0 && open.st_ino == named.st_ino
            && open.st_dev == named.st_dev
    }

    /// Removes a socket and its lock whose owner has died, unless somebody has the lock.
    package static func removeAbandoned(_ socketPath: String) {
        let path = "\(socketPath).lock", descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, isFile(descriptor, at: path) else { return }
        unlink(socketPath)
        unlink(path)
    }

    /// Removes the socket and lets others have the path.
    ///
    /// Safe to call twice.
    package func release() {
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return }
            unlink(socketPath)
            unlink(path)
            close(descriptor)
            descriptor = -1
        }
    }

    deinit { release() }

    /// The process that has the lock, as it wrote down.
    private static func owner(_ descriptor: Int32) -> Int? {
        var text = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &text, text.count, 0)
        guard count > 0 else { return nil }
        return Int(String(decoding: text.prefix(count).prefix { $0 != 10 }, as: UTF8.self))
    }
}
