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
/// sees the same state. Use ``withContext(_:address:state:options:_:)``, or make one and call ``shutdown()``.
public final class Context: Sendable {
    /// What ``spawn(_:name:options:retry:retryArguments:start:fileID:line:body:)`` makes.
    public let backend: Backend
    /// Runs the distributed actors of this process; give it to their initialisers.
    public let system: ZProcSystem
    /// Where the state is kept; nil for this process.
    let home: StateHome?
    /// How it treats what it spawns.
    public let options: ContextOptions
    private let origin: Origin
    private let ownsSystem: Bool
    /// The handle of the namespace `default`, which costs more to make than most of what is done with it.
    private let defaultState = Mutex<SharedState?>(nil)

    /// How long what has used up its time gets for each step of stopping.
    static let grace: Duration = .seconds(2)
    /// The same for the children of a child, shorter so that the child is done within its own grace.
    static let childGrace: Duration = .milliseconds(500)

    /// Makes a root context: its process keeps the state.
    ///
    /// Call ``shutdown()`` when done.
    ///
    /// - Parameters:
    ///   - backend: what `spawn` makes.
    ///   - address: where other processes reach this one, such as `tcp://127.0.0.1:*`. A relative path is one of the
    ///     present working directory. By default a socket in a fresh directory only this user can enter. Nothing listens before the first process is spawned.
    ///   - state: where the state is kept, for how long, and how much of its past.
    ///   - options: how it treats what it spawns.
    /// - Throws: ``TransportError`` for an address that cannot be used; ``StateError`` for storage that cannot;
    ///   ``SpawnError`` for options that cannot.
    public convenience init(
        _ backend: Backend,
        address: String? = nil,
        state: StateOptions = StateOptions(),
        options: ContextOptions = ContextOptions()
    ) throws {
        try self.init(backend, address: address, state: state, options: options, program: ZProcSystem.ownProgram)
    }

    /// Makes a root context whose children run another program.
    package init(
        _ backend: Backend,
        address: String?,
        state: StateOptions = StateOptions(),
        options: ContextOptions = ContextOptions(),
        program: String
    ) throws {
        if let problem = options.problem { throw SpawnError(problem) }
        self.backend = backend
        self.options = options
        system = try ZProcSystem.root(backend, address: address, state: state, options: options, program: program)
        home = nil
        origin = .random()
        ownsSystem = true
        if backend == .processes { system.refillSpares() }
        if options.stopsOnSignals { Interruption.shared.add(self) }
    }

    /// Makes a context whose state a hub keeps.
    init(joining access: HubAccess, backend: Backend, options: ContextOptions) throws {
        if let problem = options.problem { throw SpawnError(problem) }
        self.backend = backend
        self.options = options
        system = try ZProcSystem.client(of: access, backend, options: options)
        home = StateHome(address: NodeAddress(endpoint: access.endpoint, node: .any), store: nil)
        origin = .random()
        ownsSystem = true
        if backend == .processes { system.refillSpares() }
        if options.stopsOnSignals { Interruption.shared.add(self) }
    }

    private init(
        _ backend: Backend,
        system: ZProcSystem,
        home: StateHome,
        origin: Origin,
        options: ContextOptions
    ) {
        self.backend = backend
        self.options = options
        self.system = system
        self.home = home
        self.origin = origin
        ownsSystem = false
    }

    /// The state with the namespace `default`.
    public var state: SharedState {
        if let known = defaultState.withLock(\.self) { return known }
        let state = state(namespace: "default")
        // The end is marked before it takes away what there is.
        if state.access.lasts { defaultState.withLock { if !system.node.isShutDown { $0 = state } } }
        return state
    }

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

    /// Where other processes reach this one, such as `unix:///…/hub`.
    ///
    /// Listens from then on.
    ///
    /// - Throws: ``TransportError`` when the address cannot be used.
    public var address: String {
        get throws { try system.node.address().endpoint.description }
    }

    /// How long this process takes at most to end in order after a signal; for tests.
    package static func setSignalPatience(_ time: Duration) { Interruption.patience.withLock { $0 = time } }

    /// How many spare processes wait for a body.
    package var readySpareCount: Int { system.spares.readyCount }

    /// Waits for everything that this process has spawned and that still runs, also what is spawned in the meantime.
    ///
    /// Not for a body on `.threads` that it is called in.
    ///
    /// Supervisors are waited for, hosts of actors are not.
    ///
    /// - Throws: when all have ended, the first error, in the order they were spawned in, that nobody has seen: of those
    ///   whose value or end nobody has asked for; `CancellationError`.
    public func waitForAll() async throws { try await system.processes.waitForAll() }

    /// Stops everything that this process has spawned and that still runs, as ``SpawnedProcess/stop(grace:)`` does.
    ///
    /// Supervisors first, each with its children in reverse order; then the others, all at once. More can be spawned.
    /// A body on `.threads` that calls this goes on, and so do those that it is spawned within. So does a supervisor whose
    /// child it is, with the other children, which that one would start again.
    public func stopAll(grace: Duration = .seconds(2)) async { await system.processes.stopAll(grace: grace) }

    /// Stops everything spawned, as ``stopAll(grace:)`` does, and ends all connections.
    ///
    /// Safe to call twice.
    ///
    /// In a spawned process the context belongs to the body and this does nothing.
    public func shutdown() async {
        guard ownsSystem else { return }
        await system.processes.close(grace: options.grace)
        await system.shutdown()
        defaultState.withLock { $0 = nil }
        Interruption.shared.remove(self)
    }
}

/// Runs `body` with a context that ends with it: what it spawned and did not await is stopped.
///
/// - Parameters:
///   - backend: `.threads` or `.processes`; nothing else changes.
///   - address: see ``Context/init(_:address:state:options:)``.
///   - state: where the state is kept, for how long, and how much of its past.
///   - options: how it treats what it spawns, and what becomes of that at the end.
///   - body: what to do with the context.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws; ``TransportError`` for an address that cannot be used; ``StateError`` for storage that
///   cannot; ``SpawnError`` for options that cannot. With ``ContextOptions/ScopeEnd/wait``, what a process threw that was waited for at the end.
@discardableResult
public func withContext<Result>(
    _ backend: Backend,
    address: String? = nil,
    state: StateOptions = StateOptions(),
    options: ContextOptions = ContextOptions(),
    _ body: (Context) async throws -> Result
) async throws -> Result {
    try await Context(backend, address: address, state: state, options: options).use(body)
}

/// Runs `body` with a context whose state a hub keeps; it ends with the body, as that of
/// ``withContext(_:address:state:options:_:)`` does.
///
///     try await withContext(connectingTo: "tcp://10.0.0.1:5555", credentials: credentials) { context in
///         try await context.state.increment("visits")
///     }
///
/// - Parameters:
///   - address: where the hub listens.
///   - credentials: the keys, when the hub has some.
///   - backend: what `spawn` makes.
///   - options: how it treats what it spawns, and what becomes of that at the end.
///   - patience: how long the hub may take to answer at first, and be away later, before calls fail; an hour at most.
///   - body: what to do with the context.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws; what ``Context/init(connectingTo:credentials:backend:options:patience:)`` throws.
@discardableResult
public func withContext<Result>(
    connectingTo address: String,
    credentials: Credentials? = nil,
    backend: Backend = .processes,
    options: ContextOptions = ContextOptions(),
    patience: Duration = .seconds(30),
    _ body: (Context) async throws -> Result
) async throws -> Result {
    let context = try await Context(
        connectingTo: address,
        credentials: credentials,
        backend: backend,
        options: options,
        patience: patience
    )
    return try await context.use(body)
}

extension Context {
    /// Runs `body`, then shuts down.
    fileprivate func use<Result>(_ body: (Context) async throws -> Result) async throws -> Result {
        do {
            let result = try await withInterruption(of: self) {
                // Without an executor of its own, the transport leaves the body where it is.
                let result = try await withTaskExecutorPreference(system.node.taskExecutor) {
                    try await body(self)
                }
                if options.atEnd == .wait { try await waitForAll() }
                return result
            }
            await shutdown()
            return result
        } catch {
            await shutdown()
            throw error
        }
    }
}

/// A context travels as its backend, its origin, its options, and where the state lives.
extension Context: Codable {
    /// Makes the same context in a spawned process, from the system in `userInfo[.actorSystemKey]`.
    public convenience init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        let backend = try container.decode(Backend.self)
        let origin = try container.decode(Origin.self)
        let home = try container.decode(StateHome.self)
        let options = try container.decode(ContextOptions.self)
        guard let system = decoder.userInfo[.actorSystemKey] as? ZProcSystem else {
            throw StateError(
                .unavailable,
                "a context is decoded in spawned processes only, with a system in the decoder's userInfo[.actorSystemKey]"
            )
        }
        self.init(backend, system: system, home: home, origin: origin, options: options)
    }

    /// Writes `[backend, origin, home, options]`, and makes this process listen when it keeps the state.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(backend)
        try container.encode(origin)
        try container.encode(try home ?? system.ownHome())
        try container.encode(options)
    }
}
