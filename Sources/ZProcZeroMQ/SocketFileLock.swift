// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import ZProcCore

/// Keeps others from listening at the path of a Unix domain socket, which libzmq would take over without a question.
///
/// A lock on a file beside the socket, which the system frees when its owner dies.
final class SocketFileLock: Sendable {
    private let socketPath: String
    private let path: String
    private let descriptor: Mutex<Int32>

    init(path: String) throws(TransportError) {
        socketPath = path
        self.path = "\(path).lock"
        let descriptor = open(self.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw TransportError(
                errno == EACCES || errno == EPERM || errno == EROFS ? .permissionDenied : .invalidEndpoint,
                "cannot make a socket at \(path): \(String(cString: strerror(errno))); choose another directory"
            )
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let owner = Self.owner(descriptor)
            close(descriptor)
            throw TransportError(
                .addressInUse,
                "\(owner.map { "process \($0)" } ?? "another process") listens at ipc://\(path); choose another path, or "
                    + "end it"
            )
        }
        // For those who want the path.
        let text = Array("\(getpid())\n".utf8)
        ftruncate(descriptor, 0)
        _ = pwrite(descriptor, text, text.count, 0)
        self.descriptor = Mutex(descriptor)
    }

    /// Removes the socket, which libzmq leaves behind, and lets others have the path.
    ///
    /// Safe to call twice.
    func release() {
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
