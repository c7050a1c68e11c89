// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed
internal import MessagePack
internal import PortableClosures
internal import ZProcCore

extension Context {
    /// Makes a distributed actor that lives in a process of its own, and gives its proxy.
    ///
    ///     let counter = try await context.host { Counter(actorSystem: $0) }
    ///     try await counter.increment(by: 2)
    ///
    /// With `.threads` the actor lives in this process and is returned itself. It lives until the context ends.
    ///
    /// - Parameters:
    ///   - name: for error messages.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - make: makes the actor, with the system of the process it is to live in. Travels as a spawned body does.
    /// - Returns: the actor's proxy, or on `.threads` the actor.
    /// - Throws: what `make` throws; ``PortableClosureError``, ``SpawnError`` and ``ProcessTermination`` as for
    ///   spawned bodies.
    public func host<Act: DistributedActor>(
        name: String? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        _ make: @escaping @concurrent @Sendable (ZProcSystem) async throws -> Act
    ) async throws -> Act where Act.ActorSystem == ZProcSystem {
        switch backend {
        case .threads:
            let actor = try await make(system)
            return actor
        case .processes:
            let closure = PortableClosure(HostClosure(make: make), fileID: fileID, line: line)
            let job = try system.encodeJob(closure, [], ProcessOptions())
            let child = try await system.startChild(ZProcSystem.ChildRequest(name: name, limits: options), job: job)
            let id = try await child.hosted.value()
            return try Act.resolve(id: system.decoder.decode(ActorID.self, from: id), using: system)
        }
    }
}
