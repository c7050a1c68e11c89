// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import MessagePack
internal import PortableClosures
internal import Synchronization
internal import ZProcCore

/// The way in: a backend, a shared state, and everything spawned.
///
///     try await withContext(.processes) { context in
///         let state = context.state
///         let process = try await context.spawn { try await state.set("msg", to: "hello from \(getpid())") }
///         try await process.value
///     }
///
/// A context can be captured in a spawned closure: there it spawns grandchildren, which end with that closure, and
/// sees the same state. Use ``withContext(_:address:_:)``, or make one and call ``shutdown()``.
public final class Context: Sendable {
    /// What ``spawn(_:name:fileID:line:body:)`` makes.
    public let backend: Backend
    /// Runs the distributed actors of this process; give it to their initialisers.
    public let system: ZProcSystem
    /// Where the state is kept.
    private let home: NodeAddress?
    private let ownsSystem: Bool

    /// How long what still runs gets at the end of a scope, for each step of stopping.
    static let grace: Duration = .seconds(2)
    /// The same for the children of a child, shorter so that the child is done within its own grace.
    static let childGrace: Duration = .milliseconds(500)

    /// Makes a root context: its process keeps the state.
    ///
    /// Call ``shutdown()`` when done.
    ///
    /// - Parameters:
    ///   - backend: what `spawn` makes.
    ///   - address: where other processes reach this one, such as `tcp://127.0.0.1:*`. By default a socket in a fresh
    ///     directory only this user can enter. Nothing listens before the first process is spawned.
    /// - Throws: ``TransportError`` for an address that cannot be used.
    public convenience init(_ backend: Backend, address: String? = nil) throws {
        try self.init(backend, address: address, program: ZProcSystem.ownProgram)
    }

    /// Makes a root context whose children run another program.
    package init(_ backend: Backend, address: String?, program: String) throws {
        self.backend = backend
        system = try ZProcSystem.root(backend, address: address, program: program)
        home = nil
        ownsSystem = true
    }

    private init(_ backend: Backend, system: ZProcSystem, home: NodeAddress) {
        self.backend = backend
        self.system = system
        self.home = home
        ownsSystem = false
    }

    /// The state with the namespace `default`.
    public var state: SharedState { state(namespace: "default") }

    /// A dictionary of its own, by name; made the first time somebody names it.
    public func state(namespace: String) -> SharedState {
        system.state(namespace: namespace, home: home)
    }

    /// Where other processes reach this one, such as `ipc:///…/node.sock`.
    ///
    /// Listens from then on.
    ///
    /// - Throws: ``TransportError`` when the address cannot be used.
    public var address: String {
        get throws { try system.node.address().endpoint.description }
    }

    /// Stops everything spawned, as ``SpawnedProcess/stop(grace:)`` does, and ends all connections.
    ///
    /// Safe to call twice.
    ///
    /// In a spawned process the context belongs to the body and this does nothing.
    public func shutdown() async {
        guard ownsSystem else { return }
        await system.processes.stopAll(grace: Self.grace)
        await system.shutdown()
    }
}

/// Runs `body` with a context that ends with it: what it spawned and did not await is stopped.
///
/// - Parameters:
///   - backend: `.threads` or `.processes`; nothing else changes.
///   - address: see ``Context/init(_:address:)``.
///   - body: what to do with the context.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws; ``TransportError`` for an address that cannot be used.
public func withContext<Result>(
    _ backend: Backend,
    address: String? = nil,
    _ body: (Context) async throws -> Result
) async throws -> Result {
    let context = try Context(backend, address: address)
    do {
        // Without an executor of its own, the transport leaves the body where it is.
        let result = try await withTaskExecutorPreference(context.system.node.taskExecutor) { try await body(context) }
        await context.shutdown()
        return result
    } catch {
        await context.shutdown()
        throw error
    }
}

/// A context travels as its backend and the address of the process that keeps the state.
extension Context: Codable {
    /// Makes the same context in a spawned process, from the system in `userInfo[.actorSystemKey]`.
    public convenience init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        let backend = try container.decode(Backend.self)
        let home = try container.decode(NodeAddress.self)
        guard let system = decoder.userInfo[.actorSystemKey] as? ZProcSystem else {
            throw StateError(
                .unavailable,
                "a context is decoded in spawned processes only, with a system in the decoder's userInfo[.actorSystemKey]"
            )
        }
        self.init(backend, system: system, home: home)
    }

    /// Writes `[backend, address]`, and makes this process listen when it keeps the state.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(backend)
        try container.encode(try home ?? system.node.address())
    }

}
