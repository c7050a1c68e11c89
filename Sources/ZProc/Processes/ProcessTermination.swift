// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A spawned process ended before its body returned or threw.
public struct ProcessTermination: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// What ended the process.
    public enum Cause: Hashable, Sendable, Codable {
        /// It called `exit` with this status.
        case exit(status: Int)
        /// It was killed by this signal.
        case signal(Int)
        /// It trapped: code in it found a mistake and ended the process, with this signal.
        ///
        /// The ``ProcessTermination/standardErrorTail`` says which mistake, where the code does.
        case trap(signal: Int)
        /// There was no memory left for it, by its own limit or the machine's.
        case outOfMemory
        /// It lived on, but could no longer tell its parent what its body came to.
        case lostContact
        /// It took longer than ``ProcessOptions/timeout`` and is being stopped.
        case timedOut(after: Duration)
    }

    /// What ended the process.
    public let cause: Cause
    /// The process.
    public let processID: Int
    /// The name given to `spawn`, if one was.
    public let name: String?
    /// The last 64 KiB of what it wrote to its standard error, where Swift says why it trapped.
    ///
    /// Empty when the time was up, and on `.threads`.
    public let standardErrorTail: String
    /// The most memory it had at a time, in bytes; 0 where that is not known.
    public let peakMemoryByteCount: Int
    fileprivate let signal: Int?

    init(_ cause: Cause, processID: Int, name: String?) {
        self.cause = cause
        self.processID = processID
        self.name = name
        standardErrorTail = ""
        peakMemoryByteCount = 0
        signal = nil
    }

    /// Tells the causes apart that the system does not.
    init(_ end: ProcessLauncher.Termination, processID: Int, name: String?) {
        self.processID = processID
        self.name = name
        standardErrorTail = String(decoding: end.standardErrorTail, as: UTF8.self)
        peakMemoryByteCount = end.peakMemoryByteCount
        switch end.status {
        case .exited(let status):
            let isOurs =
                status == ChildMain.failureStatus && standardErrorTail.contains(ChildMain.failureMark(processID))
            cause = isOurs ? .lostContact : .exit(status: status)
            signal = nil
        case .signaled(let number):
            let isOwnDeath = Self.trapSignals.union([6, 11]).contains(number)
            if end.wasKilledForMemory || (isOwnDeath && Self.saysThatMemoryIsOut(standardErrorTail)) {
                cause = .outOfMemory
            } else if Self.trapSignals.contains(number) {
                cause = .trap(signal: number)
            } else {
                cause = .signal(number)
            }
            signal = number
        }
    }

    /// How processors say that they were told to stop here: SIGILL and SIGTRAP.
    private static let trapSignals: Set<Int> = [4, 5]

    /// How the runtime, and C++, say it when allocating fails.
    private static func saysThatMemoryIsOut(_ text: String) -> Bool {
        let ending = text.suffix(16 << 10)
        return ["failed to allocate", "bad_alloc", "out of memory", "Cannot allocate memory"].contains {
            ending.contains($0)
        }
    }

    /// One line: which process, and what ended it.
    public var description: String {
        let process = name.map { "process \(processID) ('\($0)')" } ?? "process \(processID)"
        switch cause {
        case .exit(let status): return "\(process) exited with status \(status) before its body returned\(lastWords)"
        case .signal(let number): return "\(process) was killed by \(Self.name(ofSignal: number))\(lastWords)"
        case .trap: return "\(process) trapped\(lastWords)"
        case .outOfMemory:
            return "\(process) ran out of memory (it had up to \(peakMemoryByteCount >> 20) MiB)\(lastWords)"
        case .lostContact: return "\(process) lost contact with its parent\(lastWords)"
        case .timedOut(let time): return "\(process) had not ended after \(time) and is stopped"
        }
    }

    /// The first line of a trap's message, or else the last line of standard error.
    private var lastWords: String {
        let lines = standardErrorTail.split(separator: "\n")
        guard let line = lines.last(where: { $0.contains("Fatal error") }) ?? lines.last else { return "" }
        return ": \(line.prefix(300))"
    }

    /// Where it crashed, as Swift's runtime has written it to standard error; nil when it has not.
    ///
    /// The runtime does so when the variable `SWIFT_BACKTRACE` has `enable=yes`, or where that is the default.
    public var backtrace: String? {
        for mark in ["*** Program crashed", "💣 Program crashed"] {
            if let start = standardErrorTail.firstRange(of: mark)?.lowerBound {
                return String(standardErrorTail[start...])
            }
        }
        return nil
    }

    /// The name of the signal it ended by, such as `SIGKILL`; nil when it was none, or one without a name here.
    public var signalName: String? {
        signal.flatMap { Self.signalNames[$0] }
    }

    private static let signalNames = [
        1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
        9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
        24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
    ]

    private static func name(ofSignal number: Int) -> String {
        signalNames[number].map { "\($0) (signal \(number))" } ?? "signal \(number)"
    }
}

extension RetryPolicy.Condition {
    /// Death by this signal, whatever was the reason for it.
    public static func signal(_ number: Int32) -> Self {
        .where { ($0 as? ProcessTermination)?.signal == Int(number) }
    }

    /// The end of the process before that of its body: by a signal, an exit, or its limits.
    public static var termination: Self { .where { $0 is ProcessTermination } }

    /// ``ProcessOptions/timeout`` was too short.
    public static var timedOut: Self {
        .where { if case .timedOut? = ($0 as? ProcessTermination)?.cause { true } else { false } }
    }
}

/// A process could not be started.
///
/// Nothing runs.
public struct SpawnError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// What was to be started, why it could not be, and what to do.
    public let message: String
    /// The system's error number, when it gave one.
    public let errorNumber: Int32?

    init(_ message: String, errorNumber: Int32? = nil) {
        self.message = message
        self.errorNumber = errorNumber
    }

    /// The message.
    public var description: String { message }
}
