// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed
internal import Glibc
internal import MessagePack
internal import PortableClosures
internal import Synchronization
internal import ZProcCore

/// A process in which distributed actors live; with `.threads`, this process.
///
///     let kitchen = try await context.actorHost(name: "kitchen")
///     let oven = try await kitchen.host { Oven(actorSystem: $0) }
///     let cook = try await kitchen.host { Cook(oven, actorSystem: $0) }
///
/// Actors of one host call each other without messages. It lives until it is stopped or the context ends.
public actor ActorHost {
    /// The name it was given.
    public nonisolated let name: String?
    /// The operating system's number of the process.
    public nonisolated let pid: Int

    private let home: any ActorHome

    init(name: String?, home: any ActorHome) {
        self.name = name
        self.home = home
        pid = home.processID
    }

    /// Makes an actor that lives there, and gives its proxy; on `.threads` the actor itself.
    ///
    /// - Parameters:
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - make: makes the actor, with the system of the process it is to live in. Travels as a spawned body does.
    /// - Returns: the actor's proxy, or on `.threads` the actor.
    /// - Throws: what `make` throws; ``PortableClosureError`` for a closure that cannot travel; ``TransportError`` when the
    ///   host has gone.
    public nonisolated func host<Act: DistributedActor>(
        fileID: String = #fileID,
        line: Int = #line,
        _ make: @escaping @concurrent @Sendable (ZProcSystem) async throws -> Act
    ) async throws -> Act where Act.ActorSystem == ZProcSystem {
        try await home.host(make, comesBack: false, fileID, line)
    }

    /// Lets an actor go that was made with ``host(fileID:line:_:)``: it ends as soon as nobody in its process holds it.
    ///
    /// - Returns: whether it lived there until now.
    @discardableResult
    public nonisolated func release<Act: DistributedActor>(_ actor: Act) async throws -> Bool
    where Act.ID == ActorID {
        try await home.release(actor.id)
    }

    /// Whether the process has not ended yet.
    public var isRunning: Bool { home.isRunning }

    /// Why the process ended; waits for that.
    ///
    /// Cancelling does not end the wait.
    public nonisolated var down: ProcessDown {
        get async {
            let reason = await withUnsafeContinuation { waiter in home.whenDown { waiter.resume(returning: $0) } }
            return ProcessDown(name: name, pid: pid, reason: reason)
        }
    }

    /// Stops the process as ``SpawnedProcess/stop(grace:)`` does, and with it its actors.
    ///
    /// On `.threads` its actors are let go.
    public nonisolated func stop(grace: Duration = .seconds(2)) async { await home.stop(grace: grace) }
}

extension Context {
    /// Starts a process for distributed actors to live in; with `.threads` this process is it.
    ///
    /// - Parameters:
    ///   - name: for error messages.
    ///   - options: how the process runs. A timeout is not for hosts.
    /// - Returns: the host, as soon as it takes actors.
    /// - Throws: ``SpawnError``; ``ProcessTermination`` when the process ends at once.
    public func actorHost(name: String? = nil, options: ProcessOptions = ProcessOptions()) async throws -> ActorHost {
        ActorHost(name: name, home: try await actorHome(name, options))
    }

    func actorHome(
        _ name: String?,
        _ options: ProcessOptions,
        identity: NodeAddress? = nil
    ) async throws -> any ActorHome {
        if options.streams { throw SpawnError("nobody could read what a host of actors writes; do not stream it") }
        if options.timeout != nil {
            throw SpawnError("a host of actors has no timeout; stop it, or give calls deadlines")
        }
        switch backend {
        case .threads:
            if let problem = options.problemOnThreads { throw SpawnError(problem) }
            let home = try LocalActorHome(system, identity: identity), processes = system.processes
            guard processes.insert(home, rank: .process) else {
                throw SpawnError("nothing can be hosted in a context that has ended; make another one")
            }
            home.whenDown { _ in processes.remove(home) }
            return home
        case .processes:
            let request = ZProcSystem.ChildRequest(
                name: name,
                options: options,
                limits: self.options,
                identity: identity
            )
            let child = try await system.startChild(request, job: system.encodeJob(nil, [], options))
            if !system.processes.insert(child, rank: .process) { await child.stop(grace: .zero) }
            child.exit.whenSettled { [processes = system.processes] _ in processes.remove(child as any Stoppable) }
            do {
                let address = try await child.hosted.value()
                return ProcessActorHome(child, system, try system.decoder.decode(NodeAddress.self, from: address))
            } catch {
                // Nobody else could stop it.
                await child.stop(grace: Context.grace)
                throw error
            }
        }
    }
}

/// Where actors live.
protocol ActorHome: Supervised {
    var processID: Int { get }
    var isRunning: Bool { get }
    /// Where its actors are called; nil when that is this process.
    var address: NodeAddress? { get }
    func host<Act: DistributedActor>(
        _ make: @escaping @concurrent @Sendable (ZProcSystem) async throws -> Act,
        comesBack: Bool,
        _ fileID: String,
        _ line: Int
    ) async throws -> Act where Act.ActorSystem == ZProcSystem
    func release(_ id: ActorID) async throws -> Bool
}

/// A child process.
private final class ProcessActorHome: ActorHome {
    private let child: ChildProcess
    private let system: ZProcSystem
    private let home: NodeAddress

    init(_ child: ChildProcess, _ system: ZProcSystem, _ address: NodeAddress) {
        self.child = child
        self.system = system
        home = address
    }

    var address: NodeAddress? { home }
    var processID: Int { child.processID }
    var supervisedPID: Int? { child.processID }
    var isRunning: Bool { child.isRunning }

    func host<Act: DistributedActor>(
        _ make: @escaping @concurrent @Sendable (ZProcSystem) async throws -> Act,
        comesBack: Bool,
        _ fileID: String,
        _ line: Int
    ) async throws -> Act where Act.ActorSystem == ZProcSystem {
        let closure = PortableClosure(ActorClosure(make: make), fileID: fileID, line: line)
        let id = try await call(.make, MakeRequest(closure: closure, comesBack: comesBack))
        return try Act.resolve(id: system.decoder.decode(ActorID.self, from: id), using: system)
    }

    func release(_ id: ActorID) async throws -> Bool {
        guard id.node == home.node else { return false }
        return try system.decoder.decode(Bool.self, from: await call(.release, id.number))
    }

    private func call(_ method: HostMethod, _ arguments: some Encodable) async throws -> ArraySlice<UInt8> {
        let arguments = try system.encoder.encode(arguments)
        do {
            let connection = try system.node.connection(to: home)
            return try await connection.call(HostService.name, method.rawValue, arguments: arguments)
        } catch let error as WireError {
            // Thrown there, also when it is of a kind that is thrown here.
            throw system.errorCoder.decode(error, processID: processID)
        } catch let error as TransportError where error.code == .peerGone || error.code == .unreachable {
            // Why it went says more than that it has gone. A lost connection is nearly always an end that is known in
            // milliseconds; the limit is for machines under load, and for a process that lives and cannot be reached.
            if try await child.exit.isSettled(within: .seconds(10)), case .failure(let end)? = child.outcome.result {
                throw end
            }
            throw error
        }
    }

    func stop(grace: Duration) async { await child.stop(grace: grace) }

    func whenDown(_ action: @escaping @Sendable (ProcessDown.Reason) -> Void) {
        child.exit.whenSettled { [child] _ in
            switch child.outcome.result {
            case .failure(let termination as ProcessTermination) where child.stopRequest.result == nil:
                action(.termination(termination))
            case .failure(let error) where child.stopRequest.result == nil && !(error is CancellationError):
                action(.error(error))
            default: action(.stopped)
            }
        }
    }
}

/// This process.
private final class LocalActorHome: ActorHome {
    /// The context's.
    private let caller: ZProcSystem
    /// Where the actors live: one of its own when they are to come back, so that all their calls go the same way.
    private let system: ZProcSystem
    private let numbers = Mutex<Set<UInt64>>([])
    private let end = Promise<Void>()
    let address: NodeAddress?

    /// With an identity it is that node, so that proxies of an earlier one are those of this one.
    init(_ caller: ZProcSystem, identity: NodeAddress?) throws {
        self.caller = caller
        guard let identity else {
            system = caller
            address = nil
            return
        }
        let place = ProcessPlace(depth: 0, threadCount: 1, options: caller.place.options)
        system = ZProcSystem(
            transports: Transports(home: identity.endpoint.scheme, threadCount: place.threadCount),
            states: StateTable(own: nil),
            place: place,
            id: identity.node
        ) { identity.endpoint }
        address = try system.node.address()
    }

    var processID: Int { Int(getpid()) }
    var supervisedPID: Int? { processID }
    var isRunning: Bool { end.result == nil }

    func host<Act: DistributedActor>(
        _ make: @escaping @concurrent @Sendable (ZProcSystem) async throws -> Act,
        comesBack: Bool,
        _ fileID: String,
        _ line: Int
    ) async throws -> Act where Act.ActorSystem == ZProcSystem {
        guard isRunning else { throw TransportError(.closed, "the host of actors has been stopped") }
        let id = try await ActorClosure(make: make).make(in: system, comesBack: comesBack)
        numbers.withLock { _ = $0.insert(id.number) }
        guard system !== caller else { return try Act.resolve(id: id, using: system) }
        // Through the wire's form, which says where it is.
        let travelling = try caller.decoder.decode(ActorID.self, from: system.encoder.encode(id))
        return try Act.resolve(id: travelling, using: caller)
    }

    func release(_ id: ActorID) async throws -> Bool {
        guard id.node == system.node.id, numbers.withLock({ $0.remove(id.number) }) != nil else { return false }
        return system.release(id.number)
    }

    func stop(grace: Duration) async {
        let numbers = numbers.withLock { numbers in
            defer { numbers = [] }
            return numbers
        }
        for number in numbers { _ = system.release(number) }
        if system !== caller { await system.shutdown() }
        end.settle()
    }

    func whenDown(_ action: @escaping @Sendable (ProcessDown.Reason) -> Void) {
        end.whenSettled { _ in action(.stopped) }
    }
}
