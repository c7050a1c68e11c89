// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// How many processes of this control group the system has killed for want of memory.
///
/// It does not say whom; who was killed when the number has just grown is most likely the one.
struct MemoryKills {
    private let path: String?
    private var count: Int

    init() {
        // Of the form `0::/path`; without control groups of version 2 there is none.
        let group = Self.lines("/proc/self/cgroup").first { $0.hasPrefix("0::") }?.dropFirst(3)
        let path = group.map { "/sys/fs/cgroup\($0 == "/" ? "" : $0)/memory.events" }
        self.path = path
        count = path.map(Self.read) ?? 0
    }

    /// Whether there were more since the last time.
    mutating func haveGrown() -> Bool {
        guard let path else { return false }
        let before = count
        count = Self.read(path)
        return count > before
    }

    private static func read(_ path: String) -> Int {
        lines(path).first { $0.hasPrefix("oom_kill ") }.flatMap { Int($0.dropFirst("oom_kill ".count)) } ?? 0
    }

    private static func lines(_ path: String) -> [Substring] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4 << 10)
        let count = Glibc.read(file, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n")
    }
}
