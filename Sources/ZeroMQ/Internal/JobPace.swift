// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Glibc

/// Finds out whether the jobs that a thread runs are short: what processor time they take, and whether they block.
///
/// Not by the clock, which goes on while the system has another program run.
package struct JobPace {
    /// What the system tells of a thread.
    package struct Usage {
        /// Nanoseconds on a processor.
        package var processorTime: UInt64
        /// How often it has waited for something.
        package var waits: UInt64

        package init(processorTime: UInt64, waits: UInt64) {
            self.processorTime = processorTime
            self.waits = waits
        }
    }

    private var jobs: UInt64 = 0
    /// Waits of the loop's, which are no job's; those that were none are counted, too.
    private var ownWaits: UInt64 = 0
    private var start: Usage?

    package init() {}

    /// Each time so many jobs have ended the system is asked, which takes a microsecond.
    package static let jobsBeforeLook: UInt64 = 64
    /// So many jobs tell enough; or so many nanoseconds, since a thread that takes in what has come does that at once for
    /// many jobs.
    package static let enoughJobs: UInt64 = 512
    package static let enoughTime: UInt64 = 4_000_000
    /// Jobs that take so many nanoseconds with all that is done for them, or less, are short.
    package static let short: UInt64 = 8_000
    /// Jobs block when more than this part of them do.
    private static let blockingPart: UInt64 = 32

    /// The thread is about to wait for what there is to do, if there is nothing yet.
    package mutating func waits() { ownWaits += 1 }

    /// Jobs have ended, one after the other.
    ///
    /// - Parameters:
    ///   - count: how many.
    ///   - usage: asked now and then.
    /// - Returns: whether jobs are short; nil when that is not known yet.
    package mutating func jobsEnded(_ count: Int, _ usage: () -> Usage) -> Bool? {
        let before = jobs
        jobs += UInt64(count)
        guard jobs / Self.jobsBeforeLook != before / Self.jobsBeforeLook || start == nil else { return nil }
        let now = usage()
        guard let start else {
            (jobs, ownWaits, self.start) = (0, 0, now)
            return nil
        }
        let time = now.processorTime &- start.processorTime, blocks = now.waits &- start.waits
        guard jobs >= Self.enoughJobs || time >= Self.enoughTime else { return nil }
        defer { (jobs, ownWaits, self.start) = (0, 0, now) }
        return time <= Self.short * jobs && blocks <= ownWaits + jobs / Self.blockingPart
    }
}

extension JobPace.Usage {
    /// That of the calling thread.
    static var ofThisThread: Self {
        // What `getrusage` has of the time is as old as the last tick of the system.
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        var usage = rusage()
        czeromq_usage_of_current_thread(&usage)
        return Self(
            processorTime: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec),
            waits: UInt64(usage.ru_nvcsw)
        )
    }
}
