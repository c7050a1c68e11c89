// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import MessagePack
internal import PortableClosures

/// What a child process runs.
struct ProcessJob: Codable {
    var body: PortableClosure
    var arguments: [UInt8]
    var setup: ProcessSetup
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

/// Makes an actor that then lives in the child.
struct HostClosure<Act: DistributedActor>: PortableBody where Act.ActorSystem == ZProcSystem {
    let make: @concurrent @Sendable (ZProcSystem) async throws -> Act

    func run(arguments: [UInt8], in child: ChildMain) async throws -> [UInt8] {
        let actor = try await make(child.system)
        try await child.reportHosting(try child.system.encoder.encode(actor.id))
        // The actor's life is the body's: until the parent stops this process.
        try? await Promise<Void>().value()
        withExtendedLifetime(actor) {}
        return []
    }
}
