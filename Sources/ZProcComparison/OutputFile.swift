// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A file that gets its new contents all at once, or keeps what it had.
package struct OutputFile {
    private let path: String

    /// Where the contents are written first; nil for what cannot be replaced, such as a pipe.
    private let temporaryPath: String?

    /// Finds out whether the file can be written, before anything is measured for it.
    ///
    /// - Throws: ``OutputError`` when it cannot.
    package init(path: String) throws {
        var status = stat()
        let exists = stat(path, &status) == 0
        let isPlain = !exists || status.st_mode & S_IFMT == S_IFREG
        self.path = path
        temporaryPath = isPlain ? "\(path).\(getpid()).new" : nil
        try write("", to: temporaryPath ?? path)
        if let temporaryPath { unlink(temporaryPath) }
    }

    package func write(_ text: String) throws {
        try write(text, to: temporaryPath ?? path)
        if let temporaryPath, rename(temporaryPath, path) != 0 {
            let number = errno
            unlink(temporaryPath)
            throw failure(number)
        }
    }

    private func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure(errno) }
        defer { close(descriptor) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure(errno) }
            bytes = bytes.dropFirst(count)
        }
    }

    private func failure(_ number: Int32) -> OutputError {
        OutputError(description: "cannot write \(path): \(String(cString: strerror(number)))")
    }
}

/// A file cannot be written.
package struct OutputError: Error, CustomStringConvertible {
    package let description: String
}
