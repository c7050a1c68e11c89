// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed
internal import MessagePack
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// An actor that has a name.
struct RegistryEntry: Codable, Hashable {
    /// The actor's type, with its module.
    var type: String
    var actor: ActorID
    /// Counts all registrations.
    var revision: UInt64

    /// Its proxy, or the actor itself where it lives.
    func resolve<Act: DistributedActor>(_ name: String, as type: Act.Type, using system: ZProcSystem) throws -> Act
    where Act.ActorSystem == ZProcSystem {
        guard self.type == String(reflecting: type) else {
            throw RegistryError(.wrongType, "'\(name)' is a \(self.type), no \(String(reflecting: type))")
        }
        return try Act.resolve(id: actor, using: system)
    }
}

/// The names of actors; kept by the process that keeps the state.
final class ActorRegistry: Sendable {
    private struct State {
        var entries: [String: RegistryEntry] = [:]
        var revision: UInt64 = 0
        /// Those whose end is waited for.
        var watched: Set<ActorID> = []
        /// Settled at the next registration.
        var change = Promise<Void>()
    }
    private let state = Mutex(State())

    /// Gives an actor a name; the same once more changes nothing.
    ///
    /// - Returns: whether its end is to be waited for from now on, to ``forget(_:)`` it then.
    func register(_ request: RegistryRequest) throws -> Bool {
        let (change, isFirst) = try state.withLock { state -> (Promise<Void>?, Bool) in
            if let known = state.entries[request.name] {
                if known.actor == request.actor { return (nil, false) }
                throw RegistryError(.nameTaken, "another actor, a \(known.type), has the name '\(request.name)'")
            }
            state.revision += 1
            state.entries[request.name] = RegistryEntry(
                type: request.type,
                actor: request.actor,
                revision: state.revision
            )
            defer { state.change = Promise() }
            return (state.change, state.watched.insert(request.actor).inserted)
        }
        change?.settle()
        return isFirst
    }

    func entry(_ name: String) -> RegistryEntry? { state.withLock { $0.entries[name] } }

    func remove(_ name: String) -> Bool { state.withLock { $0.entries.removeValue(forKey: name) != nil } }

    /// Takes all its names away from an actor.
    func remove(_ actor: ActorID) { state.withLock { $0.entries = $0.entries.filter { $0.value.actor != actor } } }

    /// The same for one whose end has been waited for.
    func forget(_ actor: ActorID) {
        state.withLock { _ = $0.watched.remove(actor) }
        remove(actor)
    }

    /// The actor that has a name and got it after a revision; waits for one.
    ///
    /// - Throws: `CancellationError`.
    func next(_ name: String, after revision: UInt64) async throws -> RegistryEntry {
        while true {
            let (entry, change) = state.withLock { ($0.entries[name], $0.change) }
            if let entry, entry.revision > revision { return entry }
            try await change.value()
        }
    }
}

extension ZProcSystem {
    /// Gives an actor a name, and takes it away when the actor has ended.
    func register(_ request: RegistryRequest) throws {
        guard try registry.register(request) else { return }
        let id = request.actor
        Task(executorPreference: node.taskExecutor) { [system = WeakReference(self)] in
            await system.object?.ends(id)
            // One that comes back is removed by its supervisor; by this, when the supervisor has gone as well.
            while id.comesBack, await system.object?.hasComeBack(id) == true {
                await system.object?.ends(id)
                try? await Task.sleep(for: .milliseconds(100))
            }
            system.object?.registry.forget(id)
        }
    }

    /// Waits for an actor's end, wherever it lives.
    private func ends(_ id: ActorID) async {
        guard id.node != node.id, let address = id.address else {
            try? await termination(of: id.number).value()
            return
        }
        guard let number = try? encoder.encode(id.number) else { return }
        _ = try? await call(ActorService.name, ActorService.terminated, arguments: number, at: address)
    }

    /// Whether the process of an actor is there again, within the time that calls wait for it.
    private func hasComeBack(_ id: ActorID) async -> Bool {
        let end = ContinuousClock.now + Self.patience
        while ContinuousClock.now < end, let address = id.address {
            // Any connection that opens will do.
            if (try? await node.connection(to: address).peer()) != nil { return true }
            try? await Task.sleep(for: .milliseconds(100))
        }
        return false
    }
}

/// What a process asks of the one that keeps the names.
enum RegistryMethod: String {
    /// `[name, type, actor]` → nil
    case register
    /// `name` → whether somebody had it
    case unregister
    /// `actor` → nil: takes all its names away
    case forget
    /// `name` → the entry, or nil
    case lookup
    /// `[name, revision]` → the entry that is newer, as soon as there is one
    case next
}

/// The arguments of ``RegistryMethod/register``.
struct RegistryRequest: Codable {
    var name: String
    var type: String
    var actor: ActorID
}

/// The arguments of ``RegistryMethod/next``.
struct NextEntryRequest: Codable {
    var name: String
    var revision: UInt64
}

/// Answers the processes that have no names of their own.
final class RegistryService: Service {
    static let name = "registry"

    private let registry: ActorRegistry
    private let system: WeakReference<ZProcSystem>

    init(_ registry: ActorRegistry, system: ZProcSystem) {
        self.registry = registry
        self.system = WeakReference(system)
    }

    func handle(_ call: IncomingCall) {
        guard let system = system.object else { return }
        do {
            switch RegistryMethod(rawValue: call.method) {
            case .register:
                try system.register(read(RegistryRequest.self, call, system))
                call.succeed([])
            case .unregister:
                call.succeed(try system.encoder.encode(registry.remove(read(String.self, call, system))))
            case .forget:
                registry.remove(try read(ActorID.self, call, system))
                call.succeed([])
            case .lookup:
                call.succeed(try system.encoder.encode(registry.entry(read(String.self, call, system))))
            case .next:
                let request = try read(NextEntryRequest.self, call, system)
                call.respond(encoder: system.errorCoder) { [self] in
                    try system.encoder.encode(await registry.next(request.name, after: request.revision))
                }
            case nil:
                throw CallError(.methodNotFound, "a registry has no method '\(call.method)'")
            }
        } catch {
            call.fail(error, encoder: system.errorCoder)
        }
    }

    private func read<Request: Decodable>(
        _ type: Request.Type,
        _ call: IncomingCall,
        _ system: ZProcSystem
    ) throws -> Request {
        do {
            return try system.decoder.decode(type, from: call.arguments)
        } catch {
            throw CallError(.badArguments, "the arguments of registry.\(call.method) cannot be read: \(error)")
        }
    }
}

/// The actors that get a name; see ``Context/lookups(_:as:)``.
public struct ActorLookups<Act: DistributedActor>: AsyncSequence, Sendable where Act.ActorSystem == ZProcSystem {
    let context: Context
    let name: String

    /// The actors, beginning with the one that has the name now.
    public func makeAsyncIterator() -> Iterator { Iterator(lookups: self) }

    /// Gives actor after actor.
    public struct Iterator: AsyncIteratorProtocol {
        let lookups: ActorLookups<Act>
        private var revision: UInt64 = 0

        init(lookups: ActorLookups<Act>) { self.lookups = lookups }

        /// The next actor to get the name; never nil.
        public mutating func next() async throws -> Act? {
            let context = lookups.context, system = context.system
            let entry: RegistryEntry
            if let home = context.home {
                let request = NextEntryRequest(name: lookups.name, revision: revision)
                let answer = try await context.askRegistry(.next, request, at: home)
                entry = try system.decoder.decode(RegistryEntry.self, from: answer)
            } else {
                entry = try await system.registry.next(lookups.name, after: revision)
            }
            revision = entry.revision
            return try entry.resolve(lookups.name, as: Act.self, using: system)
        }
    }
}

/// A name of an actor cannot be given, or is not what was expected.
public struct RegistryError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The kind of failure, for code that wants to tell failures apart.
    public struct Code: Hashable, Sendable, Codable, CustomStringConvertible {
        private enum Kind: String, Codable { case nameTaken, wrongType }
        private let kind: Kind

        /// Another actor has the name.
        public static var nameTaken: Code { Code(kind: .nameTaken) }
        /// The actor of that name has another type.
        public static var wrongType: Code { Code(kind: .wrongType) }

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
