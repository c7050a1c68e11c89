// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// How a context treats what it spawns, and what it may use.
public struct ContextOptions: Hashable, Sendable, Codable {
    /// What becomes of what still runs when a context's scope is left.
    public enum ScopeEnd: String, Hashable, Sendable, Codable, CaseIterable {
        /// It is stopped.
        case stop
        /// It is awaited, but for hosts of actors; then the scope throws the first error that nobody has seen, also of
        /// what had ended before.
        ///
        /// When the scope is left by an error, everything is stopped.
        case wait
    }

    /// How the processes of a context talk to each other.
    public enum Transport: String, Hashable, Sendable, Codable, CaseIterable {
        /// Unix domain sockets: two hand-overs between threads there and back.
        case unixSockets
        /// ZeroMQ, as with other machines and other languages: six hand-overs.
        case zeroMQ
    }

    /// How the processes of a context on `.processes` talk to each other, where it is given no address; and whether clients
    /// of a hub go on over a Unix domain socket of it when they are on its machine.
    ///
    /// They do when it is `unixSockets` at both ends, the hub has no keys and is of the same user, and nothing stands
    /// between. A context whose address is `ipc://` or `tcp://` is reached over ZeroMQ whatever this is.
    public var transport = Transport.unixSockets
    /// What becomes of what still runs when the scope is left.
    public var atEnd: ScopeEnd = .stop
    /// How long what is stopped at the end gets for each step of ``SpawnedProcess/stop(grace:)``.
    public var grace: Duration = .seconds(2)
    /// How many processes are kept started and idle, so that `spawn` need not wait for a start.
    ///
    /// Each costs a few megabytes. One is used when a body wants nothing of its process that must be known at its start:
    /// environment, directory, output and thread count.
    public var spareProcesses = 0
    /// How deep bodies may spawn bodies: 1 for a context whose bodies may not.
    public var maximumDepth = 16
    /// How many processes, or bodies on `.threads`, may live at a time, those spawned by others and spare ones included;
    /// 8,192 at most on `.processes`.
    public var maximumProcesses = 1_024
    /// How many calls to the actors of one process may wait for an answer; the next caller waits until one has it.
    public var callsInFlight = 10_000
    /// How many threads the context has for tasks, 1,024 at most: those of a `withContext` scope, and calls from other
    /// processes; nil for as many as there are processors.
    ///
    /// Processes that live at the same time share that number, where ``ProcessOptions/threadCount`` does not say
    /// otherwise: with 1, each of them has one thread. While what tasks do between two suspensions takes a few
    /// microseconds, as it does for calls, one of the threads runs them all whatever the number is, since several would
    /// contend for what each call touches; what takes longer is run by all of them, some milliseconds later. A method of
    /// an actor that waits for something, when its last calls from other processes did not, goes on on Swift's own
    /// threads. On `.threads` it counts where the context has an address, is published or is connected to a hub; bodies run on
    /// Swift's own threads.
    public var threadCount: Int?
    /// Whether SIGINT, SIGTERM and SIGHUP stop everything in order before the program ends of them.
    ///
    /// Only signals that the program has not set a handler for, nor ignores. A second one ends the program at once,
    /// and so does the first one 15 seconds later, should something hang.
    public var stopsOnSignals = true

    /// Whether a context may listen, by its `address`, where other machines can connect.
    ///
    /// Nothing is encrypted there, and everybody on that network can run code as this user.
    /// ``Context/publish(at:_:)`` with keys is the other way.
    public var isInsecure = false

    /// Makes options with these values.
    public init() {}

    /// Why no context can have these options; nil when one can.
    var problem: String? {
        if callsInFlight < 1 { return "with \(callsInFlight) callsInFlight no actor could be called; take 1 or more" }
        if let threadCount, let problem = ProcessOptions.problem(threadCount: threadCount) { return problem }
        return nil
    }
}

extension ContextOptions.Transport {
    /// What endpoints begin with that it reaches.
    var scheme: Endpoint.Scheme {
        switch self {
        case .unixSockets: .unix
        case .zeroMQ: .ipc
        }
    }
}
