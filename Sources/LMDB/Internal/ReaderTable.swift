// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB
internal import Glibc

/// A count of the reader slots of an environment.
struct ReaderTable {
    /// How many slots are taken, by any process and with or without a view.
    private(set) var slots = 0
    /// How many of this process's transactions have a view.
    private(set) var viewsOfThisProcess = 0
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
        if process == Int(self.process), strchr(line, CInt(UInt8(ascii: "-"))) == nil { viewsOfThisProcess += 1 }
    }
}
