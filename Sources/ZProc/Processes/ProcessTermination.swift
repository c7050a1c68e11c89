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

    /// One line: which process, and what ended it.
    public var description: String {
        let process = name.map { "process \(processID) ('\($0)')" } ?? "process \(processID)"
        switch cause {
        case .exit(let status): return "\(process) exited with status \(status) before its body returned\(lastWords)"
        case .signal(let number): return "\(process) was killed by \(Self.name(ofSignal: number))\(lastWords)"
        case .timedOut(let time): return "\(process) had not ended after \(time) and is stopped"
        }
    }

    /// The first line of a trap's message, or else the last line of standard error.
    private var lastWords: String {
        let lines = standardErrorTail.split(separator: "\n")
        guard let line = lines.last(where: { $0.contains("Fatal error") }) ?? lines.last else { return "" }
        return ": \(line.prefix(300))"
    }

    /// The signal's name, such as `SIGKILL`; nil when it was no signal, or one without a name here.
    public var signalName: String? {
        if case .signal(let number) = cause { Self.signalNames[number] } else { nil }
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

/// A process could not be started.
///
/// Nothing runs.
public struct SpawnError: Error, Hashable, Sendable, CustomStringConvertible {
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
