// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed
internal import MessagePack
internal import ZProcCore

extension Context {
    /// Makes a distributed actor that lives in a process of its own, and gives its proxy.
    ///
    ///     let counter = try await context.host { Counter(actorSystem: $0) }
    ///     try await counter.increment(by: 2)
    ///
    /// With `.threads` the actor lives in this process and is returned itself. It lives until the context ends. For
    /// several actors in one process, and for a process that is stopped earlier, make an ``ActorHost``.
    ///
    /// - Parameters:
    ///   - name: for error messages.
    ///   - options: how the process runs.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - make: makes the actor, with the system of the process it is to live in. Travels as a spawned body does.
    /// - Returns: the actor's proxy, or on `.threads` the actor.
    /// - Throws: what `make` throws; ``PortableClosureError``, ``SpawnError`` and ``ProcessTermination`` as for
    ///   spawned bodies.
    public func host<Act: DistributedActor>(
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        _ make: @escaping @concurrent @Sendable (ZProcSystem) async throws -> Act
    ) async throws -> Act where Act.ActorSystem == ZProcSystem {
        let host = try await actorHost(name: name, options: options)
        do {
            return try await host.host(fileID: fileID, line: line, make)
        } catch {
            await host.stop()
            throw error
        }
    }

    /// Gives an actor a name, under which every process of this context finds it.
    ///
    /// The name is free again when the actor has ended. One that is supervised keeps it over restarts.
    ///
    /// - Throws: ``RegistryError`` when another actor has the name.
    public func register<Act: DistributedActor>(_ actor: Act, as name: String) async throws
    where Act.ActorSystem == ZProcSystem {
        let request = RegistryRequest(name: name, type: String(reflecting: Act.self), actor: actor.id)
        if let home { _ = try await askRegistry(.register, request, at: home) } else { try system.register(request) }
    }

    /// Takes a name away from whoever has it; false when nobody has.
    @discardableResult
    public func unregister(_ name: String) async throws -> Bool {
        guard let home else { return system.registry.remove(name) }
        return try system.decoder.decode(Bool.self, from: await askRegistry(.unregister, name, at: home))
    }

    /// The actor that has this name now; nil when nobody has.
    ///
    /// - Throws: ``RegistryError`` when it is of another type.
    public func lookup<Act: DistributedActor>(_ name: String, as type: Act.Type = Act.self) async throws -> Act?
    where Act.ActorSystem == ZProcSystem {
        let entry: RegistryEntry?
        if let home {
            entry = try system.decoder.decode(RegistryEntry?.self, from: await askRegistry(.lookup, name, at: home))
        } else {
            entry = system.registry.entry(name)
        }
        return try entry.map { try $0.resolve(name, as: type, using: system) }
    }

    /// The actors that have this name, now and from now on, each soon after it got the name.
    ///
    ///     for try await printer in context.lookups("printer", as: Printer.self) { … }
    ///
    /// Gives who has the name when the next is asked for: an actor that lost it to another before that is left out.
    ///
    /// Ends with an error: ``RegistryError`` when one is of another type, ``TransportError`` when the process that keeps
    /// the names has gone, `CancellationError`.
    public func lookups<Act: DistributedActor>(_ name: String, as type: Act.Type = Act.self) -> ActorLookups<Act>
    where Act.ActorSystem == ZProcSystem {
        ActorLookups(context: self, name: name)
    }

    /// Takes all names away from an actor that does not come back.
    func forget(_ id: ActorID) {
        guard let home else { return system.registry.remove(id) }
        guard let arguments = try? system.encoder.encode(id) else { return }
        // Should it fail, the process that keeps the names notices by itself, later.
        system.request(RegistryService.name, RegistryMethod.forget.rawValue, arguments: arguments, at: home.address) {
            _ in
        }
    }

    func askRegistry(_ method: RegistryMethod, _ arguments: some Encodable, at home: StateHome) async throws
        -> ArraySlice<UInt8>
    {
        try await system.call(
            RegistryService.name,
            method.rawValue,
            arguments: try system.encoder.encode(arguments),
            at: home.address
        )
    }
}

extension DistributedActor where ActorSystem == ZProcSystem {
    /// Waits until the actor has ended, wherever it lives.
    ///
    /// One that is supervised ends with each process that it lives in, and comes back. Who waits for an actor of this
    /// process that is at hand itself, and not a proxy, holds it for as long.
    ///
    /// - Returns: how it ended.
    /// - Throws: `CancellationError`.
    public nonisolated func terminated() async throws -> ActorTermination {
        let system = actorSystem, id = self.id
        guard id.node != system.node.id, let address = id.address else {
            try await system.termination(of: id.number).value()
            return .ended
        }
        do {
            let arguments = try system.encoder.encode(id.number)
            _ = try await system.call(ActorService.name, ActorService.terminated, arguments: arguments, at: address)
            return .ended
        } catch let error as TransportError {
            try Task.checkCancellation()
            return .processGone(error)
        }
    }
}

/// How an actor ended.
public enum ActorTermination: Sendable, CustomStringConvertible {
    /// Nobody held it any more.
    case ended
    /// Its process cannot be reached any more.
    case processGone(TransportError)

    /// A few words.
    public var description: String {
        switch self {
        case .ended: "ended"
        case .processGone(let error): "\(error)"
        }
    }
}
