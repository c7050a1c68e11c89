// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import Glibc

/// The reference for many processes that change one state: a counter in LMDB, incremented in C.
final class LMDBCounter {
    static let name = "LMDB in C"

    private let directory: String
    private var path: String { "\(directory)/counter" }

    init() throws { directory = try makeDirectory(in: access("/dev/shm", W_OK) == 0 ? "/dev/shm" : nil) }

    deinit {
        unlink(path)
        unlink("\(path)-lock")
        rmdir(directory)
    }

    /// Has as many processes increment at once; the time for one increment.
    func time(for span: Nanoseconds, processes: Int) throws -> Samples {
        let before = max(0, cbr_lmdb_count(path))
        let start = cbr_now() + ContendedCounter.headStart
        let role = ChildRole.lmdb(path: path, from: start, to: start + span)
        let children = (0..<processes).map { _ in cbr_start(ChildRole.variable, role.text, nil) }
        for child in children {
            guard child > 0, cbr_wait(child) == 0 else { throw BenchError("a process that increments in C failed") }
        }
        var samples = Samples()
        samples.record(Double(span) / Double(max(1, cbr_lmdb_count(path) - before)))
        return samples
    }
}
