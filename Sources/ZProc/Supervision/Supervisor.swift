// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed
internal import Logging
internal import Synchronization
public import ZProcCore

/// Starts children, and starts them again when they end and should not have; made by
/// ``Context/supervisor(_:intensity:name:)``.
///
///     let supervisor = try context.supervisor(.restForOne, intensity: RestartIntensity(5, within: .seconds(10)))
///     try await supervisor.spawn("reader") { try await read() }
///     try await supervisor.spawn("writer") { try await write() }
///     try await supervisor.wait()
///
/// The rules are those of Erlang/OTP: the ``SupervisionStrategy`` says who else is restarted with a child, each child's
/// ``RestartRule`` whether it is at all, and the ``RestartIntensity`` how often at most; beyond that the supervisor stops
/// all its children and gives up, which is a failure where it is itself supervised. Children are started in the order
/// they were added in and stopped in reverse; one step is done after the other.
///
/// It lives in this process, its children in others or, on `.threads`, on tasks. Leaving the context's scope stops it.
public actor Supervisor {
    /// For error messages and logs.
    public nonisolated let name: String
    /// Who is restarted with a child.
    public nonisolated let strategy: SupervisionStrategy

    nonisolated let context: Context
    nonisolated let driver: SupervisionDriver

    init(_ context: Context, _ strategy: SupervisionStrategy, _ intensity: RestartIntensity, name: String) {
        self.name = name
        self.strategy = strategy
        self.context = context
        driver = SupervisionDriver(strategy, intensity, name: name, metrics: context.system.metrics)
    }

    /// Spawns a child that runs `body`; see ``Context/spawn(_:name:options:retry:retryArguments:start:fileID:line:body:)``.
    ///
    /// - Parameters:
    ///   - name: which child; unique here.
    ///   - argument: passed to `body`, each time it is started.
    ///   - restart: when it is started again.
    ///   - options: how it runs.
    ///   - grace: how long it gets for each step when it is stopped.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what the child does; it ends normally by returning, and abnormally by an error or a crash.
    /// - Throws: ``SupervisorError`` when there is a child of that name or the supervisor has ended; what kept the body
    ///   from starting, and then there is no such child; `CancellationError` in a child on `.threads` that is stopped
    ///   before this has its turn, and then there is none either, unless its start was under way.
    public nonisolated func spawn<each Argument: Codable & Sendable>(
        _ name: String,
        _ argument: repeat each Argument,
        restart: RestartRule = .permanent,
        options: ProcessOptions = ProcessOptions(),
        grace: Duration = .seconds(2),
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) async throws {
        if options.streams { throw SpawnError("nobody could read what a supervised process writes; do not stream it") }
        let context = context
        let prepared = context.prepareVoid(
            repeat each argument,
            retryArguments: nil,
            fileID: fileID,
            line: line,
            body: body
        )
        try await driver.add(name, restart, grace) {
            try await context.spawn(prepared, Spawning(name, options, .never, true))
        }
    }

    /// Adds a child that is a distributed actor in a process of its own, and gives its proxy.
    ///
    /// When its process ends, `make` makes it anew in another one, with the state it begins with. Proxies remain valid,
    /// wherever they are: a call that has not reached the actor waits up to 10 seconds for its return, and one that has
    /// been under way fails with ``TransportError/Code/peerGone``, because it may have run. On `.threads` the actor is
    /// called by messages too, and restarted with others by the strategy.
    ///
    /// - Parameters:
    ///   - name: which child; unique here.
    ///   - restart: when it is started again.
    ///   - options: how its process runs.
    ///   - grace: how long it gets for each step when it is stopped.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - make: makes the actor, with the system of the process it is to live in.
    /// - Returns: the actor's proxy.
    /// - Throws: as ``spawn(_:_:restart:options:grace:fileID:line:body:)``, and what `make` throws.
    public nonisolated func host<Act: DistributedActor>(
        _ name: String,
        restart: RestartRule = .permanent,
        options: ProcessOptions = ProcessOptions(),
        grace: Duration = .seconds(2),
        fileID: String = #fileID,
        line: Int = #line,
        _ make: @escaping @concurrent @Sendable (ZProcSystem) async throws -> Act
    ) async throws -> Act where Act.ActorSystem == ZProcSystem {
        let context = context
        // The same from one process to the next; a port is known when the first has one.
        let identity = Mutex(try context.system.newIdentity())
        let proxy = Mutex<Act?>(nil)
        try await driver.add(name, restart, grace) {
            if let id = proxy.withLock({ $0?.id }) { context.forget(id) }
        } start: {
            let home = try await context.actorHome(name, options, identity: identity.withLock { $0 })
            do {
                let actor = try await home.host(make, comesBack: true, fileID, line)
                if let address = home.address { identity.withLock { $0 = address } }
                proxy.withLock { if $0 == nil { $0 = actor } }
                return home
            } catch {
                await home.stop(grace: grace)
                throw error
            }
        }
        guard let proxy = proxy.withLock({ $0 }) else {
            throw SupervisorError(.ended, "'\(name)' was stopped while it was started")
        }
        return proxy
    }

    /// Adds a supervisor as a child, which fails when it gives up.
    ///
    /// - Parameters:
    ///   - name: which child; unique here.
    ///   - strategy: who is restarted with a child of the new one.
    ///   - intensity: how often the new one restarts at most.
    ///   - restart: when it is started again.
    ///   - grace: how long each of its children gets for each step when it is stopped.
    ///   - build: adds its children; called each time it is started.
    /// - Throws: as ``spawn(_:_:restart:options:grace:fileID:line:body:)``, and what `build` throws.
    public nonisolated func supervisor(
        _ name: String,
        _ strategy: SupervisionStrategy,
        intensity: RestartIntensity = RestartIntensity(),
        restart: RestartRule = .permanent,
        grace: Duration = .seconds(2),
        _ build: @escaping @concurrent @Sendable (Supervisor) async throws -> Void
    ) async throws {
        let context = context, path = "\(self.name)/\(name)"
        try await driver.add(name, restart, grace) {
            let nested = Supervisor(context, strategy, intensity, name: path)
            do {
                // A start in it that hangs is ended by stopping it, and by nothing else.
                try await withTaskCancellationHandler {
                    try await build(nested)
                    try Task.checkCancellation()
                } onCancel: {
                    Task { await nested.stop() }
                }
            } catch {
                await nested.stop()
                throw error
            }
            return nested.driver
        }
    }

    /// Stops a child, if it runs, and forgets it.
    ///
    /// Returns when it has ended; in that child itself, on `.threads`, at once.
    ///
    /// - Throws: ``SupervisorError`` when there is no child of that name; `CancellationError` in a child on `.threads` that
    ///   is stopped before this has its turn, and then nothing is removed.
    public nonisolated func remove(_ name: String) async throws { try await driver.remove(name) }

    /// All children, in the order they were added in.
    public nonisolated var children: [SupervisedChild] { driver.children }

    /// What happens: what did so far, up to the last 1,000 events, and then each as it happens.
    ///
    /// Ends with the supervisor.
    public nonisolated var events: AsyncStream<SupervisionEvent> { driver.events() }

    /// Waits until it ends.
    ///
    /// Cancelling ends the wait, and nothing else.
    ///
    /// - Throws: ``SupervisorError`` when it gave up; `CancellationError`. It returns when it was stopped.
    public nonisolated func wait() async throws {
        driver.observe()
        try await driver.end.value()
    }

    /// Stops all children, newest first, for good.
    ///
    /// Returns when they have ended; in a child on `.threads`, which is stopped with the others, at once.
    public nonisolated func stop() async { await driver.stop() }
}

extension Context {
    /// Makes a supervisor without children.
    ///
    /// - Parameters:
    ///   - strategy: who is restarted with a child.
    ///   - intensity: how often it restarts at most; by default once in 5 seconds.
    ///   - name: for error messages and logs.
    /// - Returns: the supervisor, which runs until it is stopped, gives up, or the context ends.
    /// - Throws: ``SupervisorError`` in a context that has ended.
    public func supervisor(
        _ strategy: SupervisionStrategy = .oneForOne,
        intensity: RestartIntensity = RestartIntensity(),
        name: String = "supervisor"
    ) throws -> Supervisor {
        let supervisor = Supervisor(self, strategy, intensity, name: name)
        let processes = system.processes, driver = supervisor.driver
        let ending = ProcessTable.Ending(end: driver.end, isObserved: driver.isObserved) { false }
        guard processes.insert(driver, rank: .supervisor, ending: ending) else {
            Task { await driver.stop() }
            throw SupervisorError(.ended, "nothing can be supervised in a context that has ended; make another one")
        }
        driver.end.whenSettled { _ in processes.remove(driver) }
        return supervisor
    }
}

/// A child of a supervisor, as it is at the moment.
public struct SupervisedChild: Sendable, Hashable {
    /// Its name.
    public let name: String
    /// When it is started again.
    public let restart: RestartRule
    /// How often it was started, failed starts included.
    public let incarnation: Int
    /// The process it runs in; nil when it does not run, or is a supervisor.
    public let pid: Int?
    /// Whether it runs.
    public let isRunning: Bool
}

/// Something that happened to a supervisor's child.
public struct SupervisionEvent: Sendable, CustomStringConvertible {
    /// What happened.
    public enum Kind: Sendable {
        /// It was started, in this process; nil for a supervisor.
        case started(pid: Int?)
        /// It could not be started.
        case failedToStart(any Error)
        /// It ended by itself.
        case ended(ProcessDown.Reason)
        /// It was stopped, because of another child or because somebody wanted it.
        case stopped
        /// Its end was one too many: the supervisor has stopped everything and ended.
        case gaveUp
    }

    /// Counts the supervisor's events, from 1.
    public let number: Int
    /// The supervisor's name.
    public let supervisor: String
    /// Which child.
    public let child: String
    /// Which start of the child, from 1.
    public let incarnation: Int
    /// What happened.
    public let kind: Kind

    /// One line.
    public var description: String {
        let what =
            switch kind {
            case .started(let pid): "was started" + (pid.map { " as process \($0)" } ?? "")
            case .failedToStart(let error): "could not be started: \(error)"
            case .ended(let reason): "ended: \(reason)"
            case .stopped: "was stopped"
            case .gaveUp: "has ended too often; giving up"
            }
        return "[\(supervisor)] \(child) (\(incarnation)) \(what)"
    }
}

/// A supervisor cannot do what was asked, or has given up.
public struct SupervisorError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The kind of failure, for code that wants to tell failures apart.
    public struct Code: Hashable, Sendable, Codable, CustomStringConvertible {
        private enum Kind: String, Codable { case gaveUp, nameTaken, noSuchChild, ended }
        private let kind: Kind

        /// Its children ended more often than its intensity allows.
        public static var gaveUp: Code { Code(kind: .gaveUp) }
        /// There is a child of that name.
        public static var nameTaken: Code { Code(kind: .nameTaken) }
        /// There is no child of that name.
        public static var noSuchChild: Code { Code(kind: .noSuchChild) }
        /// It was stopped, or has given up.
        public static var ended: Code { Code(kind: .ended) }

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened and what to do.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
