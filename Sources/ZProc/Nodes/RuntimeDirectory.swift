// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import ZProcCore

/// A directory for sockets, or for shared memory, that only this user can enter, gone with the context that made it.
///
/// Its owner holds a lock on a file in it for as long as it lives. Directories whose lock is free were left behind by
/// processes that were killed; making a new one sweeps them away.
final class RuntimeDirectory: Sendable {
    let path: String
    private let lock: Int32

    private static let prefix = "zproc-"
    private static let lockName = "owner.lock"

    /// Makes a directory.
    ///
    /// - Parameter parent: where; by default under `$XDG_RUNTIME_DIR`, else under `$TMPDIR`, else under `/tmp`.
    /// - Throws: ``TransportError`` when no directory can be made there.
    init(in parent: String? = nil) throws(TransportError) {
        let parent = parent ?? Self.parent
        Self.sweep(parent)
        // It gets the name that is swept when it is locked: before that, somebody else's sweep must not find it.
        var template = Array("\(parent)/.\(Self.prefix)\(getuid())-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw TransportError(
                .permissionDenied,
                "cannot make a private directory in \(parent): \(String(cString: strerror(errno))); "
                    + "set TMPDIR to one that can be written to"
            )
        }
        let hidden = template.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        path = "\(parent)/\(hidden.dropFirst(parent.utf8.count + 2))"
        lock = open("\(hidden)/\(Self.lockName)", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0, rename(hidden, path) == 0 else {
            throw TransportError(
                .resources,
                "cannot lock a private directory in \(parent): \(String(cString: strerror(errno)))"
            )
        }
    }

    /// Where a node listens that asks for a private endpoint.
    func endpoint(for node: String) throws(TransportError) -> Endpoint { try Endpoint(.ipc, "\(path)/\(node)") }

    /// Removes the directory and what is in it.
    func remove() { Self.remove(path) }

    deinit {
        Self.remove(path)
        close(lock)
    }

    /// Removes what processes that were killed have left in the directory of an endpoint: sockets named for them.
    ///
    /// Only where the directory is one of these.
    static func sweepSockets(beside endpoint: Endpoint) {
        let parts = endpoint.address.split(separator: "/", omittingEmptySubsequences: false)
        guard endpoint.scheme == .ipc, let directory = parts.dropLast().last, directory.hasPrefix(prefix) else {
            return
        }
        let path = parts.dropLast().joined(separator: "/")
        for name in names(in: path) {
            guard let pid = pid_t(name.prefix { $0 != "." }), kill(pid, 0) != 0, errno == ESRCH else { continue }
            unlink("\(path)/\(name)")
        }
    }

    private static var parent: String {
        for variable in ["XDG_RUNTIME_DIR", "TMPDIR"] {
            // A socket's path has little room; a directory with a long name is no use.
            if let value = getenv(variable) {
                let path = String(cString: value)
                if !path.isEmpty, path.utf8.count < 60, access(path, W_OK | X_OK) == 0 { return path }
            }
        }
        return "/tmp"
    }

    /// Removes what dead owners left behind.
    private static func sweep(_ parent: String) {
        for name in names(in: parent) where name.hasPrefix("\(prefix)\(getuid())-") {
            let path = "\(parent)/\(name)"
            let lock = open("\(path)/\(lockName)", O_RDWR | O_CLOEXEC)
            // Without a lock file it is being made, or removed, right now.
            guard lock >= 0 else { continue }
            if flock(lock, LOCK_EX | LOCK_NB) == 0 { remove(path) }
            close(lock)
        }
    }

    private static func remove(_ path: String) {
        // The lock goes last: as long as it is there, the directory can be swept by somebody else.
        for name in names(in: path) where name != lockName { unlink("\(path)/\(name)") }
        unlink("\(path)/\(lockName)")
        rmdir(path)
    }

    private static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
