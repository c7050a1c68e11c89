// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import MessagePack
internal import PortableClosures
internal import Synchronization

/// What a child process runs.
///
/// An array on its way: for names of fields, a new process would have to look their type up.
struct ProcessJob {
    /// Nil for a host of actors.
    var body: PortableClosure?
    var arguments: [UInt8]
    /// Nil when there is nothing to set up.
    var setup: ProcessSetup?
    /// The hubs that the body's states may be kept by.
    var hubs: [HubAccess]
    /// What to do before the body.
    var preparations: [PortableClosure]
    /// The context of the trace that the body belongs to.
    var trace: [String]
}

extension ProcessJob: Codable {
    init(from decoder: any Decoder) throws {
        var fields = try decoder.unkeyedContainer()
        body = try fields.decodeIfPresent(PortableClosure.self)
        arguments = try fields.decode([UInt8].self)
        setup = try fields.decodeIfPresent(ProcessSetup.self)
        hubs = try fields.decode([HubAccess].self)
        preparations = try fields.decode([PortableClosure].self)
        trace = try fields.decode([String].self)
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.unkeyedContainer()
        if let body { try fields.encode(body) } else { try fields.encodeNil() }
        try fields.encode(arguments)
        if let setup { try fields.encode(setup) } else { try fields.encodeNil() }
        try fields.encode(hubs)
        try fields.encode(preparations)
        try fields.encode(trace)
    }
}

/// A body whose types are known only to itself.
protocol PortableBody: ClosureHolder {
    /// Runs the body in a child process; gives its result's encoded form.
    func run(arguments: [UInt8], in child: ChildMain) async throws -> [UInt8]
}

/// A body that returns a value.
struct BodyClosure<Result: Codable & Sendable, each Argument: Codable & Sendable>: PortableBody {
    let body: @concurrent @Sendable (repeat each Argument) async throws -> Result

    func run(arguments: [UInt8], in child: ChildMain) async throws -> [UInt8] {
        let list = try child.system.decoder.decode(ArgumentList<repeat each Argument>.self, from: arguments)
        let result = try await body(repeat each list.values)
        do {
            return try child.system.encoder.encode(result)
        } catch {
            throw CallError(.badResult, "the body's result, a \(Result.self), cannot be encoded: \(error)")
        }
    }
}

/// A body that returns nothing.
struct VoidBodyClosure<each Argument: Codable & Sendable>: PortableBody {
    let body: @concurrent @Sendable (repeat each Argument) async throws -> Void

    func run(arguments: [UInt8], in child: ChildMain) async throws -> [UInt8] {
        let list = try child.system.decoder.decode(ArgumentList<repeat each Argument>.self, from: arguments)
        try await body(repeat each list.values)
        return []
    }
}

/// Makes an actor.
struct ActorClosure<Act: DistributedActor>: PortableActorMaker where Act.ActorSystem == ZProcSystem {
    let make: @concurrent @Sendable (ZProcSystem) async throws -> Act

    func make(in system: ZProcSystem, comesBack: Bool) async throws -> ActorID {
        let identity = comesBack ? HostedIdentity(Act.self) : nil
        let actor = try await HostedIdentity.$current.withValue(identity) { try await make(system) }
        guard !comesBack || actor.id.number == HostedIdentity.number else {
            throw CallError(.badResult, "a supervised \(Act.self) must be made by the closure itself, each time anew")
        }
        system.keep(actor)
        return actor.id
    }
}

/// A closure that makes an actor whose type is known only to itself.
protocol PortableActorMaker: ClosureHolder {
    /// Makes the actor, which then lives until it is released; its id.
    ///
    /// It is an actor of `system`, and if it `comesBack` the one that always has the same id on its node.
    func make(in system: ZProcSystem, comesBack: Bool) async throws -> ActorID
}

/// Has the first actor of a type get the number under which it comes back.
final class HostedIdentity: Sendable {
    @TaskLocal static var current: HostedIdentity?
    /// Others count from 1.
    static let number: UInt64 = 0

    private let type: ObjectIdentifier
    private let isTaken = Mutex(false)

    init(_ type: any DistributedActor.Type) { self.type = ObjectIdentifier(type) }

    /// Whether a new actor of this type gets the number.
    func take(for type: any DistributedActor.Type) -> Bool {
        guard ObjectIdentifier(type) == self.type else { return false }
        return isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
    }
}
