// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB
internal import Glibc

/// The reader slots of an environment.
struct ReaderTable {
    /// How many slots are taken, by any process and with or without a view.
    private(set) var slots = 0
    /// How many of this process's transactions have a view.
    private(set) var viewsOfThisProcess = 0
    /// The oldest version of the data that some process has a view of; nil when none has one.
    private(set) var oldestView: Int?
    private let process = getpid()

    init(of environment: OpaquePointer) {
        // LMDB gives its table as text only: a line "process thread transaction" for each slot, with "-" for one that
        // has no view, below a heading or in place of it a line that says there are none.
        _ = withUnsafeMutablePointer(to: &self) { table in
            mdb_reader_list(
                environment,
                { line, table in
                    guard let line, let table else { return 0 }
                    table.assumingMemoryBound(to: ReaderTable.self).pointee.received(line)
                    return 0
                },
                table
            )
        }
    }

    private mutating func received(_ line: UnsafePointer<CChar>) {
        let process = strtol(line, nil, 10)
        guard process > 0 else { return }
        slots += 1
        guard strchr(line, CInt(UInt8(ascii: "-"))) == nil else { return }
        if process == Int(self.process) { viewsOfThisProcess += 1 }
        guard let last = strrchr(line, CInt(UInt8(ascii: " "))) else { return }
        let version = strtol(last, nil, 10)
        oldestView = min(oldestView ?? version, version)
    }
}
