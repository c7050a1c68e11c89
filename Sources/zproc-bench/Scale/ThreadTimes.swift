// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProcComparison

/// The processor time of this process's threads since they began, in nanoseconds.
struct ThreadTimes: Codable {
    /// Of libzmq's threads, which move bytes.
    var transport: UInt64 = 0
    /// Of all others.
    var others: UInt64 = 0

    /// As the scheduler counts it; what threads that have ended used is not there any more.
    static var current: ThreadTimes {
        var times = ThreadTimes()
        for thread in ProcessFiles.threads(of: "self") {
            let text = ProcessFiles.text("/proc/self/task/\(thread)/schedstat") ?? ""
            guard let time = text.split(separator: " ").first.flatMap({ UInt64($0) }) else { continue }
            let name = ProcessFiles.text("/proc/self/task/\(thread)/comm") ?? ""
            if name.hasPrefix("ZMQbg") { times.transport += time } else { times.others += time }
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
}
