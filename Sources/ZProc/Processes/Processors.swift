// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc

/// How many processors this process may use at once: those it may run on, and no more than its control group has.
func availableProcessorCount() -> Int {
    let count = Int(czproc_processor_count())
    guard let file = fopen("/sys/fs/cgroup/cpu.max", "r") else { return count }
    defer { fclose(file) }
    var text = [UInt8](repeating: 0, count: 64)
    let length = fread(&text, 1, text.count, file)
    // "max 100000", or how many microseconds of each so many.
    let words = String(decoding: text.prefix(length), as: UTF8.self).split { $0.isWhitespace }
    guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), quota > 0, period > 0 else {
        return count
    }
    return max(1, min(count, (quota - 1) / period + 1))
}
