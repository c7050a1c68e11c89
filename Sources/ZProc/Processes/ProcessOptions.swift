// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// How a spawned process runs.
///
///     var options = ProcessOptions()
///     options.environment = ["LANG": "C"]
///     options.timeout = .seconds(10)
///     try await context.spawn(options: options) { … }
///
/// On `.threads` there is no process: everything but `timeout` and `isBlocking` is refused there with a ``SpawnError``.
public struct ProcessOptions: Hashable, Sendable {
    /// What becomes of what a process writes.
    public enum Output: Hashable, Sendable {
        /// It goes where this process's own goes.
        case inherited
        /// It goes nowhere.
        case discarded
        /// It goes where this process's own goes, each line with the name of the process, or its number, before it.
        case prefixed
        /// It can be read from the process's handle, as ``SpawnedProcess/standardOutput`` and
        /// ``SpawnedProcess/standardError``; while nobody reads, the process waits when a megabyte has gathered.
        case streamed
    }

    /// Variables that the process sees differently from this one; nil for one that it does not see.
    public var environment: [String: String?] = [:]
    /// Where it starts; nil for where this process is.
    public var workingDirectory: String?
    /// What is added to its niceness, 0 to 19: a nicer process leaves the processor to others.
    public var niceness = 0
    /// What it may use at most.
    public var limits = ResourceLimits()
    /// What becomes of its standard output.
    public var standardOutput: Output = .inherited
    /// What becomes of its standard error, the end of which is kept for ``ProcessTermination/standardErrorTail``.
    ///
    /// It is read by this process and passed on, so for the process it is no terminal.
    public var standardError: Output = .inherited
    /// How long the body may take, from its start; then it is stopped, as by ``SpawnedProcess/stop(grace:)``.
    ///
    /// Its value is a ``ProcessTermination`` with ``ProcessTermination/Cause/timedOut(after:)`` as soon as the time is up.
    ///
    /// Each attempt of a body that is retried has that much.
    public var timeout: Duration?
    /// How many threads the process has for tasks, 1,024 at most; nil for its share of this process's, which its siblings
    /// that live at the same time are counted for.
    public var threadCount: Int?
    private static let maximumThreadCount = 1_024
    /// Whether the body waits for something in other ways than `await`: then it has a thread of its own.
    public var isBlocking = false

    /// A body that blocks has a thread of its own.
    public static var blocking: ProcessOptions {
        var options = ProcessOptions()
        options.isBlocking = true
        return options
    }

    /// Makes options that leave everything as it is in this process.
    public init() {}

    /// Why a task cannot have these options; nil when it can.
    var problemOnThreads: String? {
        var same = ProcessOptions()
        same.timeout = timeout
        same.isBlocking = isBlocking
        if self == same { return nil }
        return "environment, directory, niceness, limits, threads and output belong to a process; spawn with .processes"
    }

    /// Why no process can have these options; nil when one can.
    var problem: String? {
        for (name, value) in environment {
            if name.isEmpty || name.contains("=") || name.utf8.contains(0) || value?.utf8.contains(0) == true {
                return "'\(name)' with this value cannot be a variable of an environment"
            }
        }
        if workingDirectory?.utf8.contains(0) == true { return "the working directory is no path" }
        if let threadCount, let problem = Self.problem(threadCount: threadCount) { return problem }
        if !(0...19).contains(niceness) { return "a niceness of \(niceness) is not 0 to 19" }
        return limits.problem
    }

    /// Why no process can have so many threads for tasks; nil when one can.
    static func problem(threadCount: Int) -> String? {
        if (1...maximumThreadCount).contains(threadCount) { return nil }
        return "no process has \(threadCount) threads for tasks; take a threadCount of 1 to \(maximumThreadCount)"
    }

    /// Whether something is to be read from a handle.
    var streams: Bool { standardOutput == .streamed || standardError == .streamed }

    /// Whether a process can have these that has been started already.
    var fitsSpares: Bool {
        var same = ProcessOptions()
        same.timeout = timeout
        same.isBlocking = isBlocking
        same.niceness = niceness
        same.limits = limits
        return self == same
    }
}

/// What a process may use at most; nil for what this process may.
///
/// The operating system enforces these; a limit above this process's own is no limit.
public struct ResourceLimits: Hashable, Sendable, Codable {
    /// Memory that it allocates, in bytes; when there is no more, Swift code traps.
    ///
    /// Memory shared with other processes does not count.
    public var memoryByteCount: Int?
    /// Processor time, rounded up to whole seconds; then SIGXCPU ends the process.
    public var processorTime: Duration?
    /// Open files; then opening one fails.
    public var openFileCount: Int?
    /// The length of any file it writes, in bytes; then SIGXFSZ ends the process.
    public var fileByteCount: Int?

    /// Makes limits.
    ///
    /// - Parameters:
    ///   - memoryByteCount: memory that it allocates.
    ///   - processorTime: processor time.
    ///   - openFileCount: open files.
    ///   - fileByteCount: the length of any file it writes.
    public init(
        memoryByteCount: Int? = nil,
        processorTime: Duration? = nil,
        openFileCount: Int? = nil,
        fileByteCount: Int? = nil
    ) {
        self.memoryByteCount = memoryByteCount
        self.processorTime = processorTime
        self.openFileCount = openFileCount
        self.fileByteCount = fileByteCount
    }

    fileprivate var problem: String? {
        let numbers = [memoryByteCount, openFileCount, fileByteCount].compactMap { $0 }
        let isNegative = numbers.contains { $0 < 0 } || (processorTime ?? .zero) < .zero
        return isNegative ? "a limit is negative" : nil
    }
}
