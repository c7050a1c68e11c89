// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import ZProcCore

/// How a context keeps its state.
///
///     try await withContext(.processes, state: .init(persistence: .file("bakery.state", sync: .eachCommit))) { … }
public struct StateOptions: Sendable {
    /// Where the state is kept.
    public enum Engine: String, Sendable, CaseIterable {
        /// In the memory of one process on `.threads`, in shared memory on `.processes`.
        case automatic
        /// In the memory of the root context's process; other processes send messages.
        case memory
        /// In memory that all processes of the machine map, private to this user.
        case shared
    }

    /// How processes of the same machine get at the state.
    public enum Access: String, Sendable, CaseIterable {
        /// Directly, where the engine lets them.
        case automatic
        /// By messages to the root context's process, as from another machine.
        case messages
    }

    /// Whether the state outlives the context.
    public enum Persistence: Sendable {
        /// It ends with the context.
        case none
        /// It is kept in a file, made when it is not there; the engine is the shared one.
        ///
        /// Up to three more files with the same beginning of their names are beside it while a context has it open. One
        /// context has it open at a time.
        case file(_ path: String, sync: StateSync)
    }

    /// Where the state is kept.
    public var engine: Engine
    /// How processes of the same machine get at the state.
    public var access: Access
    /// Whether the state outlives the context.
    public var persistence: Persistence
    /// How much of each namespace's past is kept.
    public var history: HistoryLimits

    /// Makes options.
    ///
    /// - Parameters:
    ///   - engine: where the state is kept.
    ///   - access: how processes of the same machine get at it.
    ///   - persistence: whether it outlives the context.
    ///   - history: how much of the past is kept.
    public init(
        engine: Engine = .automatic,
        access: Access = .automatic,
        persistence: Persistence = .none,
        history: HistoryLimits = HistoryLimits()
    ) {
        self.engine = engine
        self.access = access
        self.persistence = persistence
        self.history = history
    }
}
