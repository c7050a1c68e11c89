// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Writes a line to standard output, at once: rows appear as they are measured, also in a pipe.
package func printLine(_ text: String) {
    write(text + "\n", to: STDOUT_FILENO)
}

/// Writes a line to standard error, with the program's name before it.
package func printError(_ text: String) {
    let program = CommandLine.arguments.first?.split(separator: "/").last ?? "zproc"
    write("\(program): \(text)\n", to: STDERR_FILENO)
}

/// What cannot be written is dropped: there is nobody to tell.
private func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return }
        bytes = bytes.dropFirst(count)
    }
}
