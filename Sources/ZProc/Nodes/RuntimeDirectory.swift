// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import ZProcCore
internal import ZProcTransports

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
    func endpoint(for node: String, _ scheme: Endpoint.Scheme) throws(TransportError) -> Endpoint {
        try Endpoint(scheme, "\(path)/\(node)")
    }

    /// What the name begins with of a socket for the clients of a published address.
    static let nearbyPrefix = "near-"

    /// Whether an endpoint is a socket for clients in one of these directories that only this user can enter.
    ///
    /// Others may have made it up: nothing is looked for but where these directories are.
    static func isNearby(_ endpoint: Endpoint) -> Bool {
        let parts = endpoint.address.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.last, name.hasPrefix(nearbyPrefix), let last = parts.dropLast().last,
            last.hasPrefix("\(prefix)\(getuid())-"),
            (parents + ["/run/user/\(getuid())"]).contains(parts.dropLast(2).joined(separator: "/")),
            let directory = openOwn(parts.dropLast().joined(separator: "/"))
        else { return false }
        defer { close(directory) }
        var status = stat()
        return fstat(directory, &status) == 0 && status.st_mode & 0o077 == 0
    }

    /// Removes the directory and what is in it.
    func remove() { Self.remove(path) }

    deinit {
        Self.remove(path)
        close(lock)
    }

    /// What the name begins with of a socket whose process is followed by others there.
    static let hostPrefix = "host-"

    /// Removes what processes that were killed have left in the directory of an endpoint: sockets named for them, and those
    /// of hosts that nobody listens at any more.
    ///
    /// Only where the directory is one of these.
    static func sweepSockets(beside endpoint: Endpoint) {
        let parts = endpoint.address.split(separator: "/", omittingEmptySubsequences: false)
        guard endpoint.scheme == .unix || endpoint.scheme == .ipc, let directory = parts.dropLast().last,
            directory.hasPrefix(prefix)
        else {
            return
        }
        let path = parts.dropLast().joined(separator: "/")
        for name in names(in: path) {
            if name.hasPrefix(hostPrefix) {
                let suffix = ".lock"
                if name.hasSuffix(suffix) { SocketFileLock.removeAbandoned("\(path)/\(name.dropLast(suffix.count))") }
                continue
            }
            guard let pid = pid_t(name.prefix { $0 != "." }), kill(pid, 0) != 0, errno == ESRCH else { continue }
            unlink("\(path)/\(name)")
        }
    }

    private static var parent: String { parents.first { access($0, W_OK | X_OK) == 0 } ?? "/tmp" }

    /// Where they may be.
    private static var parents: [String] {
        let named = ["XDG_RUNTIME_DIR", "TMPDIR"].compactMap { (name: String) -> String? in
            getenv(name).map { String(cString: $0) }
        }
        // A socket's path has little room; a directory with a long name is no use.
        return named.filter { !$0.isEmpty && $0.utf8.count < 60 } + ["/tmp"]
    }

    /// Removes what dead owners left behind.
    private static func sweep(_ parent: String) {
        for name in names(in: parent, beginningWith: "\(prefix)\(getuid())-") {
            let path = "\(parent)/\(name)"
            guard let directory = openOwn(path) else { continue }
            defer { close(directory) }
            let lock = openat(directory, lockName, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
            // Without a lock file it is being made, or removed, right now.
            guard lock >= 0 else { continue }
            if flock(lock, LOCK_EX | LOCK_NB) == 0 { remove(path, directory) }
            close(lock)
        }
    }

    /// Opens a directory, when it is one and this user's: others may put what they like beside it.
    private static func openOwn(_ path: String) -> Int32? {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard directory >= 0 else { return nil }
        var status = stat()
        if fstat(directory, &status) == 0, status.st_uid == getuid() { return directory }
        close(directory)
        return nil
    }

    private static func remove(_ path: String) {
        guard let directory = openOwn(path) else { return }
        remove(path, directory)
        close(directory)
    }

    private static func remove(_ path: String, _ directory: Int32) {
        // The lock goes last: as long as it is there, the directory can be swept by somebody else.
        for name in names(in: directory) where name != lockName { unlinkat(directory, name, 0) }
        unlinkat(directory, lockName, 0)
        rmdir(path)
    }

    private static func names(in path: String, beginningWith prefix: String = "") -> [String] {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { return [] }
        defer { close(directory) }
        return names(in: directory, beginningWith: prefix)
    }

    /// Those that begin with something; others, of which there may be thousands, become no strings.
    private static func names(in directory: Int32, beginningWith prefix: String = "") -> [String] {
        let own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard own >= 0 else { return [] }
        guard let stream = fdopendir(own) else {
            close(own)
            return []
        }
        defer { closedir(stream) }
        let start = Array(prefix.utf8)
        var names: [String] = []
        while let entry = readdir(stream) {
            guard withUnsafeBytes(of: &entry.pointee.d_name, { $0.starts(with: start) }) else { continue }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
