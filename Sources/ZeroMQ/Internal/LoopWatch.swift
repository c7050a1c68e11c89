// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Glibc
internal import Synchronization

/// One thread of the process that looks after all loops with job threads while these are at something.
///
/// It sleeps until a millisecond after the first has asked, or less when others have asked before; and looks every
/// millisecond as long as there are loops that want it to.
final class LoopWatch: Sendable {
    private let timer: Int32
    /// Those to look after; the timer runs when there are any.
    private let loops = Mutex<[LoopCore]>([])
    private static let instance = Mutex<LoopWatch?>(nil)

    /// Made at the first use, for the rest of the process.
    ///
    /// - Throws: ``ZeroMQError/Code/tooManySockets`` when there is no descriptor left; another when there is no thread.
    static func shared() throws(ZeroMQError) -> LoopWatch {
        try instance.withLock { instance throws(ZeroMQError) in
            if let instance { return instance }
            let watch = try LoopWatch()
            let result = startDetachedThread { watch.run() }
            if result != 0 { throw ZeroMQError(result, while: "start the thread that looks after socket loops") }
            instance = watch
            return watch
        }
    }

    private init() throws(ZeroMQError) {
        timer = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC))
        if timer == -1 { throw ZeroMQError(errno, while: "open a timer for socket loops") }
    }

    deinit { if timer != -1 { close(timer) } }

    /// Looks after loops until their ``LoopCore/look()`` says that this is enough; each only once at a time.
    func add(_ more: [LoopCore]) {
        let isFirst = loops.withLock { loops in
            defer { loops += more }
            return loops.isEmpty && !more.isEmpty
        }
        guard isFirst else { return }
        var time = itimerspec()
        time.it_value.tv_nsec = Self.interval
        timerfd_settime(timer, 0, &time, nil)
    }

    private static let interval = 1_000_000

    private func run() -> Never {
        czeromq_name_current_thread("zproc-watch")
        while true {
            var expirations: UInt64 = 0
            _ = read(timer, &expirations, MemoryLayout<UInt64>.size)
            let due = loops.withLock { loops in
                defer { loops = [] }
                return loops
            }
            add(due.filter { $0.look() })
        }
    }
}
