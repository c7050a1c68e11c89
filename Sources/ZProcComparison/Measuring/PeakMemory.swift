// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Glibc
internal import Synchronization

/// Samples the memory of a process and its descendants until it is told to stop.
///
/// On a thread of its own: those of tasks may all be at work.
final class PeakMemory: Sendable {
    private static let interval: Duration = .milliseconds(10)
    /// How much longer than a look the pause after it is at least: looking holds up whoever needs memory meanwhile.
    private static let pausePerLook = 19

    private let processID: Int
    /// Processes that do not count, nor their descendants.
    private let others: Set<Int>
    private let peak = Mutex<Int?>(nil)
    private let queue = DispatchQueue(label: "zproc.comparison.memory")
    // Set in `init` only; the source itself may be used from any thread.
    nonisolated(unsafe) private let timer: any DispatchSourceTimer

    init(of processID: Int, without others: Set<Int> = []) {
        self.processID = processID
        self.others = others
        // What earlier runs left behind in the allocator is not this one's.
        Self.trim()
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.setEventHandler { [weak self] in self?.sampleAndPause() }
        timer.schedule(deadline: .now())
        timer.activate()
    }

    deinit { timer.cancel() }

    private func sampleAndPause() {
        let time = ContinuousClock().measure { sample() }
        let pause = max(Self.interval, time * Self.pausePerLook)
        timer.schedule(deadline: .now() + .nanoseconds(Int(pause / .nanoseconds(1))))
    }

    /// Ends sampling.
    ///
    /// - Returns: The most that was seen in bytes; nil where the system does not tell.
    func stop() -> Int? {
        timer.cancel()
        // What took no time at all has not been sampled yet.
        sample()
        return peak.withLock(\.self)
    }

    /// Gives free memory back to the system.
    ///
    /// The C library has a function for it, whose header Swift's module of that library lacks.
    private static func trim() {
        guard let symbol = dlsym(nil, "malloc_trim") else { return }
        // Its type, as the C library documents it.
        _ = unsafeBitCast(symbol, to: (@convention(c) (Int) -> CInt).self)(0)
    }

    private func sample() {
        var sum: Int?
        var processes = [processID]
        while let process = processes.popLast() {
            // One that has just ended has no memory.
            if let bytes = Self.proportionalBytes(of: process) { sum = (sum ?? 0) + bytes }
            processes += Self.children(of: process).filter { !others.contains($0) }
        }
        guard let sum else { return }
        peak.withLock { $0 = max($0 ?? 0, sum) }
    }

    /// What a process has for itself, and its share of what it has with others.
    private static func proportionalBytes(of process: Int) -> Int? {
        guard let text = ProcessFiles.text("/proc/\(process)/smaps_rollup") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("Pss:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
        }
        return nil
    }

    private static func children(of process: Int) -> [Int] {
        ProcessFiles.threads(of: "\(process)").flatMap { thread in
            let text = ProcessFiles.text("/proc/\(process)/task/\(thread)/children") ?? ""
            return text.split(separator: " ").compactMap { Int($0) }
        }
    }
}
