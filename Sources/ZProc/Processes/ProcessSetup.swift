// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What a child does to itself before it runs its body; travels with the job.
struct ProcessSetup: Codable {
    var niceness: Int
    var limits: ResourceLimits
    var isBlocking: Bool

    /// Nil when the options leave everything as it is.
    init?(_ options: ProcessOptions) {
        if options.niceness == 0, options.limits == ResourceLimits(), !options.isBlocking { return nil }
        isBlocking = options.isBlocking
        niceness = options.niceness
        limits = options.limits
    }

    /// Applies it to this process.
    func apply() {
        if niceness > 0 { Self.makeNicer(by: niceness) }
        if let count = limits.memoryByteCount { Self.limit(RLIMIT_DATA, to: UInt(count)) }
        if let count = limits.openFileCount { Self.limit(RLIMIT_NOFILE, to: UInt(count)) }
        if let count = limits.fileByteCount { Self.limit(RLIMIT_FSIZE, to: UInt(count)) }
        if let time = limits.processorTime {
            let (seconds, rest) = time.components
            // A second more until SIGKILL, which comes instead of SIGXCPU where both limits are the same.
            Self.limit(RLIMIT_CPU, to: max(1, UInt(seconds) + (rest > 0 ? 1 : 0)), ceiling: 1)
        }
    }

    /// Each thread has a niceness of its own, which those have too that it starts.
    private static func makeNicer(by niceness: Int) {
        let value = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) + Int32(niceness)
        guard let threads = opendir("/proc/self/task") else { return }
        defer { closedir(threads) }
        while let entry = readdir(threads) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let thread = id_t(name) else { continue }
            _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), thread, value)
        }
    }

    /// Lowers a limit; what is allowed stays the ceiling.
    private static func limit(_ resource: __rlimit_resource, to value: UInt, ceiling distance: UInt = 0) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 else { return }
        limit.rlim_max = min(limit.rlim_max, rlim_t(value + distance))
        limit.rlim_cur = min(limit.rlim_max, rlim_t(value))
        _ = setrlimit(__rlimit_resource_t(resource.rawValue), &limit)
    }
}
