// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The processor time of this process's threads since they began, in nanoseconds.
struct ThreadTimes: Codable {
    /// Of libzmq's threads, which move bytes.
    var transport: UInt64 = 0
    /// Of all others.
    var others: UInt64 = 0

    /// As the scheduler counts it; what threads that have ended used is not there any more.
    static var current: ThreadTimes {
        var times = ThreadTimes()
        guard let directory = opendir("/proc/self/task") else { return times }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            // A name ends with a zero within its array.
            let thread = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let time = text("\(thread)/schedstat").split(separator: " ").first.flatMap({ UInt64($0) }) else {
                continue
            }
            if text("\(thread)/comm").hasPrefix("ZMQbg") { times.transport += time } else { times.others += time }
        }
        return times
    }

    func since(_ earlier: ThreadTimes) -> ThreadTimes {
        // Threads that have ended in the meantime took their time with them.
        ThreadTimes(
            transport: max(transport, earlier.transport) - earlier.transport,
            others: max(others, earlier.others) - earlier.others
        )
    }

    private static func text(_ file: String) -> String {
        let descriptor = open("/proc/self/task/\(file)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        }
    }
}
