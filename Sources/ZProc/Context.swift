// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import MessagePack
internal import PortableClosures
internal import Synchronization
internal import ZProcCore
internal import ZProcSharedEngine

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
    /// Where the state is kept; nil for this process.
    private let home: StateHome?
    private let origin: Origin
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
    ///   - state: where the state is kept, for how long, and how much of its past.
    /// - Throws: ``TransportError`` for an address that cannot be used; ``StateError`` for storage that cannot.
    public convenience init(_ backend: Backend, address: String? = nil, state: StateOptions = StateOptions()) throws {
        try self.init(backend, address: address, state: state, program: ZProcSystem.ownProgram)
    }

    /// Makes a root context whose children run another program.
    package init(_ backend: Backend, address: String?, state: StateOptions = StateOptions(), program: String) throws {
        self.backend = backend
        system = try ZProcSystem.root(backend, address: address, state: state, program: program)
        home = nil
        origin = .random()
        ownsSystem = true
    }

    private init(_ backend: Backend, system: ZProcSystem, home: StateHome, origin: Origin) {
        self.backend = backend
        self.system = system
        self.home = home
        self.origin = origin
        ownsSystem = false
    }

    /// The state with the namespace `default`.
    public var state: SharedState { state(namespace: "default") }

    /// A dictionary of its own, by name; made the first time somebody names it.
    ///
    /// A name has 1 to ``StateLimits/namespaceByteCount`` bytes; with another one every operation is an error.
    public func state(namespace: String) -> SharedState {
        SharedState(
            namespace: namespace,
            origin: origin,
            access: system.state(namespace: namespace, home: home)
        )
    }

    /// The namespaces that something was written to and that were not dropped, sorted.
    public func namespaces() async throws -> [String] {
        if let store = system.states.own { return try store.namespaces() }
        guard let home else { return [] }
        if let reference = home.store, let store = system.states.store(reference) { return try store.namespaces() }
        let client = StateClient(system: system, address: home.address)
        return try await client.call(.namespaces, [String](), returning: [String].self)
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
///   - address: see ``Context/init(_:address:state:)``.
///   - state: where the state is kept, for how long, and how much of its past.
///   - body: what to do with the context.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws; ``TransportError`` for an address that cannot be used; ``StateError`` for storage that
///   cannot.
@discardableResult
public func withContext<Result>(
    _ backend: Backend,
    address: String? = nil,
    state: StateOptions = StateOptions(),
    _ body: (Context) async throws -> Result
) async throws -> Result {
    let context = try Context(backend, address: address, state: state)
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

/// A context travels as its backend, its origin, and where the state lives.
extension Context: Codable {
    /// Makes the same context in a spawned process, from the system in `userInfo[.actorSystemKey]`.
    public convenience init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        let backend = try container.decode(Backend.self)
        let origin = try container.decode(Origin.self)
        let home = try container.decode(StateHome.self)
        guard let system = decoder.userInfo[.actorSystemKey] as? ZProcSystem else {
            throw StateError(
                .unavailable,
                "a context is decoded in spawned processes only, with a system in the decoder's userInfo[.actorSystemKey]"
            )
        }
        self.init(backend, system: system, home: home, origin: origin)
    }

    /// Writes `[backend, origin, home]`, and makes this process listen when it keeps the state.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(backend)
        try container.encode(origin)
        try container.encode(try home ?? system.ownHome())
    }
}
