// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import ZProc

/// A way for the same code to run.
public enum ComparedBackend: String, Hashable, Sendable, Codable, CaseIterable, CustomStringConvertible {
    /// Tasks of this process.
    case threads
    /// Processes, which reach the state in shared memory and each other over Unix domain sockets.
    case processes
    /// Processes, which reach the state and each other by ZeroMQ messages, as those of other machines do.
    case messages

    /// What the context is made with.
    public var backend: Backend { self == .threads ? .threads : .processes }

    /// How processes get at the state.
    var access: StateOptions.Access { self == .messages ? .messages : .automatic }

    /// How processes talk to each other.
    var transport: ContextOptions.Transport { self == .messages ? .zeroMQ : .unixSockets }

    /// Reads as `threads`, `processes` or `processes, ZeroMQ`.
    public var description: String { self == .messages ? "processes, ZeroMQ" : rawValue }
}
