// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Makes a fresh directory.
///
/// - Parameter parent: Where; by default where temporary files go.
/// - Returns: Its path.
/// - Throws: ``BenchError`` when it cannot be made.
func makeDirectory(in parent: String? = nil) throws -> String {
    let parent = parent ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/zproc-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
        throw BenchError("cannot make a directory in \(parent): \(String(cString: strerror(errno)))")
    }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
