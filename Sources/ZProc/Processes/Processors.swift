// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc
internal import ZProcCore

/// How many processors this process may use at once: those it may run on, and no more than its control groups have.
func availableProcessorCount() -> Int {
    let count = Int(czproc_processor_count())
    guard let groups = text(of: "/proc/self/cgroup"),
        let quota = ProcessorQuota.processorCount(groups: groups, read: text)
    else { return count }
    return max(1, min(count, quota))
}

/// What is in one of the system's small files.
private func text(of path: String) -> String? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 4 << 10)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
}
