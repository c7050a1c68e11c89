// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Files and the standard input.
enum Files {
    /// The bytes of a file; of the standard input for `-`.
    static func read(_ path: String) throws -> [UInt8] {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, "cannot be read") }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var all: [UInt8] = [], bytes = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(path, "cannot be read") }
            if count == 0 { return all }
            all += bytes.prefix(count)
        }
    }

    /// Makes a text the whole content of a file that only its owner can read.
    ///
    /// The old content is there until the new one is complete, and stays when this fails.
    static func replace(_ path: String, with text: String) throws {
        let draft = "\(path).new-\(getpid())"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path, "cannot be written") }
        var isDone = false
        defer {
            close(descriptor)
            if !isDone { unlink(draft) }
        }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(path, "cannot be written") }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0, rename(draft, path) == 0 else { throw failure(path, "cannot be written") }
        isDone = true
    }

    private static func failure(_ path: String, _ problem: String) -> Failure {
        Failure("\(path == "-" ? "the standard input" : path) \(problem): \(String(cString: strerror(errno)))")
    }
}
