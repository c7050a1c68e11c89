// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed
internal import Glibc
internal import MessagePack
internal import PortableClosures
internal import Synchronization
internal import WeakReferences
package import ZProcCore

/// Runs distributed actors: calls to actors of this process are plain Swift calls, calls to others are messages.
///
///     distributed actor Counter {
///         typealias ActorSystem = ZProcSystem
///         var count = 0
///         distributed func increment(by number: Int) -> Int { … }
///     }
///
/// A context has one; `context.host` hands it to the closure that makes an actor. Arguments and results are any
/// `Codable` values: proxies of actors and handles of state too. A method's error reaches the caller as the same type
/// when that is `Codable`, else as ``RemoteError``. Calls of one task arrive in the order they are made, because each
/// waits for its answer; order between tasks is not defined. Actors are re-entrant at `await`, as all of Swift's.
///
/// An actor lives as long as its own process holds it; a proxy does not keep it alive.
public final class ZProcSystem: DistributedActorSystem, Sendable {
    /// Names actors.
    public typealias ActorID = ZProc.ActorID
    /// Collects a call's arguments.
    public typealias InvocationEncoder = CallEncoder
    /// Gives a call's arguments to the method.
    public typealias InvocationDecoder = CallDecoder
    /// Sends a method's result back.
    public typealias ResultHandler = CallResultHandler
    /// What arguments, results and errors must be.
    public typealias SerializationRequirement = any Codable

    private struct WeakActor {
        private let reference: WeakReference<any (AnyObject & Sendable)>
        /// The same object with its conformances, which the reference does not know; read only while it lives.
        private unowned(unsafe) let untold: any DistributedActor

        init(_ actor: any DistributedActor) {
            reference = WeakReference(actor)
            untold = actor
        }

        var actor: (any DistributedActor)? { withExtendedLifetime(reference.object) { $0 == nil ? nil : untold } }
    }

    private struct State {
        var actors = NumberTable<WeakActor>()
        /// Those that live until they are released.
        var kept: [UInt64: any DistributedActor] = [:]
        /// Who waits for the end of an actor.
        var terminations: [UInt64: Promise<Void>] = [:]
        var lastNumber: UInt64 = 0
    }
    private let state = Mutex(State())
    /// The methods that others have called.
    let targets = DistributedTargets()
    /// What was spawned through this system.
    let processes = ProcessTable()
    /// The states this process has a part in.
    let states: StateTable
    /// Nil until something is to be in it.
    private let directory: Mutex<RuntimeDirectory?>
    private let nearbySockets = Atomic(0)
    /// What children run; this program, also when its file has been replaced in the meantime.
    let program: String
    /// Where in the tree of processes this one is.
    let place: ProcessPlace
    /// The live processes of the tree; nil on `.threads`, and where the system has no memory for it.
    let roll: ProcessRoll?
    /// The swarms whose workers ask this process for work.
    let swarms = SwarmTable()
    /// The names of actors, in the process that keeps the state.
    let registry = ActorRegistry()
    /// Tasks that others run by name.
    let tasks = NamedTaskTable()
    /// The hubs this process talks to.
    let hubs = HubTable()
    /// Forgets old answers to the clients of a published context.
    let replyKeeper = Mutex<Task<Void, Never>?>(nil)
    /// Processes that wait for a body.
    let spares: SparePool
    /// What others wait to see of the state that lives here.
    let waits = ChangeWaits()
    /// What is told of what happens here, if anybody collects it.
    let metrics = MetricsSlot()
    /// Tells it now and then what there is.
    private let metricsKeeper = Mutex<Task<Void, Never>?>(nil)
    /// Closures that are sent or received again and again.
    let plainClosures = PlainClosureCache()
    /// What the processes that are started from here do first.
    let preparations = ProcessPreparations()
    /// Set once, at the end of `init`, because its services refer to this system.
    nonisolated(unsafe) private var ownNode: Node?

    /// - Parameters:
    ///   - transports: how messages travel.
    ///   - states: where the state lives.
    ///   - directory: removed when the system is shut down.
    ///   - program: what children run.
    ///   - place: where in the tree of processes this one is.
    ///   - roll: the live processes of the tree.
    ///   - id: which node it is.
    ///   - endpoint: where to listen, asked for when somebody needs the address.
    init(
        transports: Transports,
        states: StateTable,
        directory: RuntimeDirectory? = nil,
        program: String = ZProcSystem.ownProgram,
        place: ProcessPlace,
        roll: ProcessRoll? = nil,
        id: NodeID = .random(),
        listeningAt endpoint: @escaping @Sendable () throws(TransportError) -> Endpoint
    ) {
        self.states = states
        self.directory = Mutex(directory)
        self.program = program
        self.place = place
        self.roll = roll
        spares = SparePool(count: place.options.spareProcesses)
        // Those that are called most often first.
        var services = ServiceTable()
        services.add(ActorService(self))
        if let store = states.own { services.add(StateService(store: store, waits: waits, system: self)) }
        services.add(SwarmService(swarms, system: self))
        services.add(HubService(self))
        services.add(HostService(self))
        services.add(RegistryService(registry, system: self))
        services.add(ProcessService(table: processes, system: self))
        services.add(NamedTaskService(tasks, system: self))
        ownNode = Node(
            transports: transports,
            listeningAt: endpoint,
            services: services,
            processID: Int(getpid()),
            id: id,
            callsInFlight: place.options.callsInFlight,
            metrics: metrics
        )
        observe()
    }

    /// Begins to tell swift-metrics, when somebody has set up a backend.
    func observe() {
        guard metrics.current == nil else { return }
        metrics.fill()
        metricsKeeper.withLock { $0 = keepMetrics() }
    }

    var node: Node {
        guard let ownNode else { preconditionFailure("a ZProcSystem was used before it was made") }
        return ownNode
    }

    /// Where others reach this system.
    ///
    /// Listens from then on.
    package func address() throws(TransportError) -> NodeAddress { try node.address() }

    /// Ends all connections; calls that wait fail.
    func shutdown() async {
        let kept = state.withLock { state in
            defer { state.kept = [:] }
            return state.kept
        }
        withExtendedLifetime(kept) {}
        tasks.removeAll()
        replyKeeper.withLock { $0?.cancel() }
        metricsKeeper.withLock { $0?.cancel() }
        await ProcessLauncher.drainOutput()
        // Those who are told that the state has ended would not ask the next one that has it.
        node.stopAnswering()
        await states.shutdown()
        await node.shutdown()
        let coders = knownCoders.withLock { coders in
            defer { coders = nil }
            return coders
        }
        withExtendedLifetime(coders) {}
        directory.withLock { $0.take() }?.remove()
    }

    /// A place for a socket in a directory that only this user can enter.
    func makeNearbySocket() throws(TransportError) -> Endpoint {
        let number = nearbySockets.add(1, ordering: .relaxed).newValue
        return try directory.withLock { directory throws(TransportError) in
            let place: RuntimeDirectory
            if let directory { place = directory } else { place = try RuntimeDirectory() }
            directory = place
            return try place.endpoint(for: "\(RuntimeDirectory.nearbyPrefix)\(number)", .unix)
        }
    }

    /// Does what others would notice if the process just ended: it is about to.
    func leave() async {
        // Somebody may still wait for an answer, and the socket has a file.
        if node.isListening { return await shutdown() }
        if states.isMapped { await states.shutdown() }
    }

    /// What every value is encoded and decoded with, so that handles in it find this system.
    var userInfo: [CodingUserInfoKey: any Sendable] {
        var userInfo: [CodingUserInfoKey: any Sendable] = Dictionary(room: 1)
        userInfo[.actorSystemKey] = self
        return userInfo
    }

    typealias Coders = (encoder: MessagePackEncoder, decoder: MessagePackDecoder)

    /// Made once, because each call needs several; they hold this system until it is shut down.
    private let knownCoders = Mutex<Coders?>(nil)

    // Not through `coders`, which copies both: all threads count their references.
    var encoder: MessagePackEncoder { knownCoders.withLock { $0?.encoder } ?? coders.encoder }

    var decoder: MessagePackDecoder { knownCoders.withLock { $0?.decoder } ?? coders.decoder }

    /// A closure as it travels.
    func encode(_ closure: PortableClosure) throws -> EncodedValue {
        let encoder = encoder
        return EncodedValue(unchecked: try plainClosures.bytes(of: closure) { try encoder.encode($0) })
    }

    /// A closure that has arrived.
    func closure(in bytes: [UInt8]) throws -> PortableClosure {
        let decoder = decoder
        return try plainClosures.closure(in: bytes) { try decoder.decode(PortableClosure.self, from: $0) }
    }

    var coders: Coders {
        if let made = knownCoders.withLock(\.self) { return made }
        var encoder = MessagePackEncoder(), decoder = MessagePackDecoder()
        encoder.userInfo = userInfo
        decoder.userInfo = userInfo
        // What is made after the end is for this once; the end is marked before it takes away what there is.
        knownCoders.withLock { if !node.isShutDown { $0 = (encoder, decoder) } }
        return (encoder, decoder)
    }

    /// For what contains values that came as arguments, which may be as deep as is allowed already.
    var replyDecoder: MessagePackDecoder {
        var decoder = decoder
        decoder.limits.maximumDepth += 16
        return decoder
    }

    /// Made for each call that may fail, so it takes the information that there is.
    var errorCoder: ErrorCoder { ErrorCoder(processID: node.info.processID, userInfo: encoder.userInfo) }

    // MARK: Actors that live here

    /// Numbers a new actor.
    ///
    /// Called by the language.
    public func assignID<Act: DistributedActor>(_ actorType: Act.Type) -> ActorID where Act.ID == ActorID {
        if HostedIdentity.current?.take(for: actorType) == true {
            return ActorID(node: node.id, number: HostedIdentity.number, comesBack: true)
        }
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        return ActorID(node: node.id, number: number)
    }

    /// Makes a new actor reachable.
    ///
    /// Called by the language.
    public func actorReady<Act: DistributedActor>(_ actor: Act) where Act.ID == ActorID {
        let entry = WeakActor(actor)
        let number = actor.id.number
        state.withLock { state in
            // One that comes back has the number of the last.
            _ = state.actors.remove(number)
            state.actors.insert(entry, for: number)
        }
    }

    /// Forgets an actor that has ended.
    ///
    /// Called by the language.
    public func resignID(_ id: ActorID) {
        let termination = state.withLock { state in
            _ = state.actors.remove(id.number)
            return state.terminations.removeValue(forKey: id.number)
        }
        termination?.settle()
    }

    /// Has an actor live until it is released, or the system is shut down.
    func keep(_ actor: any DistributedActor) {
        guard let id = actor.id as? ActorID else { return }
        // One that it takes the place of goes outside the lock: its end resigns its id.
        let former = state.withLock { $0.kept.updateValue(actor, forKey: id.number) }
        withExtendedLifetime(former) {}
    }

    /// Lets a kept actor go; false when none of that number is kept.
    func release(_ number: UInt64) -> Bool {
        // Outside the lock: its end resigns its id.
        let actor = state.withLock { $0.kept.removeValue(forKey: number) }
        return actor != nil
    }

    /// Settled when an actor that lives here does so no more.
    func termination(of number: UInt64) -> Promise<Void> {
        let (promise, actor) = state.withLock { state -> (Promise<Void>, (any DistributedActor)?) in
            guard let actor = state.actors[number]?.actor else { return (Promise(.success(())), nil) }
            if let known = state.terminations[number] { return (known, actor) }
            let promise = Promise<Void>()
            state.terminations[number] = promise
            return (promise, actor)
        }
        // Let go outside the lock: when this was the last reference, its end resigns its id.
        withExtendedLifetime(actor) {}
        return promise
    }

    /// The actor itself when it lives here, nil to have a proxy made.
    ///
    /// Called by the language's `resolve(id:using:)`.
    ///
    /// - Throws: ``CallError/Code/actorNotFound`` for an id of this process whose actor has gone or has another type.
    public func resolve<Act: DistributedActor>(id: ActorID, as actorType: Act.Type) throws -> Act?
    where Act.ID == ActorID {
        guard id.node == node.id else { return nil }
        guard let actor = localActor(id.number) as? Act else {
            throw CallError(.actorNotFound, "no \(actorType) \(id) lives in process \(node.info.processID) any more")
        }
        return actor
    }

    func localActor(_ number: UInt64) -> (any DistributedActor)? {
        state.withLock { $0.actors[number]?.actor }
    }

    // MARK: Calls to actors elsewhere

    /// An empty call.
    ///
    /// Called by the language.
    public func makeInvocationEncoder() -> CallEncoder { CallEncoder(encoder: encoder) }

    /// Calls a method that returns a value.
    ///
    /// Called by the language, which hands it no conformances: inlined, so that nobody has to look for them where the types
    /// are known.
    @inlinable
    public func remoteCall<Act: DistributedActor, Err: Error, Res: Codable>(
        on actor: Act,
        target: RemoteCallTarget,
        invocation: inout CallEncoder,
        throwing: Err.Type,
        returning: Res.Type
    ) async throws -> Res where Act.ID == ActorID {
        try await result(of: invocation, to: actor.id, target)
    }

    /// Calls a method that returns nothing.
    ///
    /// Called by the language.
    public func remoteCallVoid<Act: DistributedActor, Err: Error>(
        on actor: Act,
        target: RemoteCallTarget,
        invocation: inout CallEncoder,
        throwing: Err.Type
    ) async throws where Act.ID == ActorID {
        _ = try await send(invocation, to: actor.id, target)
    }

    @usableFromInline
    func result<Value: Decodable>(
        of invocation: CallEncoder,
        to id: ActorID,
        _ target: RemoteCallTarget
    ) async throws -> Value {
        let result = try await send(invocation, to: id, target)
        do {
            return try decoder.decode(Value.self, from: result)
        } catch {
            throw CallError(.badResult, "the result of \(target) is no \(Value.self): \(error)")
        }
    }

    private func send(
        _ invocation: CallEncoder,
        to id: ActorID,
        _ target: RemoteCallTarget
    ) async throws -> ArraySlice<UInt8> {
        guard let address = id.address else {
            throw CallError(
                .actorNotFound,
                "the actor \(id) belongs to another system; get its proxy from its own context"
            )
        }
        let arguments = try invocation.message(to: id)
        let method = target.identifier
        if id.comesBack { return try await sendPatiently(method, arguments, at: address) }
        return try await call(ActorService.name, method, arguments: arguments, at: address, isLimited: true)
    }

    /// Calls an actor that may be about to come back: what has not reached it, and nothing else, is sent again.
    private func sendPatiently(
        _ method: String,
        _ arguments: [UInt8],
        at address: NodeAddress
    ) async throws -> ArraySlice<UInt8> {
        let end = CallDeadline.inside(Self.patience)
        var pause = Duration.milliseconds(2)
        while true {
            do {
                let connection = try node.connection(to: address)
                do {
                    return try await connection.call(ActorService.name, method, arguments: arguments, isLimited: true)
                } catch let error as WireError {
                    guard error.code == ErrorCoder.actorNotFound, .now + pause < end else {
                        throw await thrown(error, over: connection)
                    }
                }
            } catch let error as TransportError where error.code == .unreachable && .now + pause < end {}
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(100))
        }
    }

    /// How long a call waits for an actor that is being restarted.
    static let patience: Duration = .seconds(10)

    /// Calls a service of another node; errors come out as they were thrown there.
    package func call(
        _ service: String,
        _ method: String,
        arguments: [UInt8],
        at address: NodeAddress,
        isLimited: Bool = false
    ) async throws -> ArraySlice<UInt8> {
        let connection = try node.connection(to: address)
        do {
            return try await connection.call(service, method, arguments: arguments, isLimited: isLimited)
        } catch let error as WireError {
            throw await thrown(error, over: connection)
        }
    }

    /// The error of a call as it was thrown.
    private func thrown(_ error: WireError, over connection: Connection) async -> any Error {
        // It has answered, so who it is is known, unless it has gone since.
        errorCoder.decode(error, processID: try? await connection.peer().processID)
    }

    /// Calls a service of another node; the message is on its way when this returns.
    func request(
        _ service: String,
        _ method: String,
        arguments: [UInt8],
        at address: NodeAddress,
        answer: @escaping @Sendable (Result<ArraySlice<UInt8>, any Error>) -> Void
    ) {
        let errorCoder = errorCoder
        do {
            let connection = try node.connection(to: address)
            connection.start(service, method, arguments: arguments) { result in
                answer(result.mapError { error in (error as? WireError).map { errorCoder.decode($0) } ?? error })
            }
        } catch {
            answer(.failure(error))
        }
    }
}
