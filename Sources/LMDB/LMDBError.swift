// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

/// A failure of LMDB, or of the system under it: what was tried, what came back, and on which file.
public struct LMDBError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure.
    public let code: Code
    /// What was tried, such as `put`.
    public let operation: String
    /// The file of the environment, when it is known.
    public let path: String?

    init(_ code: Code, _ operation: StaticString, path: String?) {
        self.code = code
        self.operation = operation.description
        self.path = path
    }

    /// The failure on one line, such as `could not put: MDB_MAP_FULL: … (code -30792, at /dev/shm/state)`.
    public var description: String {
        let reason = mdb_strerror(code.rawValue).map { String(cString: $0) } ?? "unknown error"
        return "could not \(operation): \(reason) (code \(code.rawValue)\(path.map { ", at \($0)" } ?? ""))"
    }
}
