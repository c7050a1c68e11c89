// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed
internal import Glibc
internal import MessagePack
internal import PortableClosures
internal import ZProcCore

extension Context {
    /// Runs `body` in a process of its own, or on a task of its own with `.threads`.
    ///
    ///     let factor = 3
    ///     let process = try await context.spawn(14) { number in number * factor }
    ///     try await process.value                                     // 42
    ///
    /// With `.processes` the program is started once more and runs the closure instead of its `main`: captured values
    /// and arguments travel there as `Codable`, globals have their initial values. Handles of state, contexts and
    /// distributed actors travel too and go on working. Cost: the start of a process; on `.threads` of a task.
    ///
    /// - Parameters:
    ///   - argument: passed to `body`.
    ///   - name: for error messages.
    ///   - options: how the process runs, and for how long at most.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to run; its result becomes the process's ``SpawnedProcess/value``.
    /// - Returns: the process, as soon as it has been started.
    /// - Throws: ``PortableClosureError`` when a capture cannot travel, and nothing is started; ``SpawnError`` when the
    ///   system cannot start a process.
    @discardableResult
    public func spawn<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Result
    ) async throws -> SpawnedProcess<Result> {
        switch backend {
        case .threads:
            return try start(TaskBody { try await body(repeat each argument) }, name, options)
        case .processes:
            let closure = PortableClosure(BodyClosure(body: body), fileID: fileID, line: line)
            let arguments = try system.encoder.encode(ArgumentList(repeat each argument))
            let child = try await system.startChild(
                name: name,
                options: options,
                body: closure,
                arguments: arguments
            )
            let decoder = system.decoder
            return SpawnedProcess(
                name: name,
                pid: child.processID,
                body: ProcessBody(child) { try decoder.decode(Result.self, from: $0) }
            )
        }
    }

    /// Runs a `body` that returns nothing in a process or on a task of its own; see the other form.
    @discardableResult
    public func spawn<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        switch backend {
        case .threads:
            return try start(TaskBody { try await body(repeat each argument) }, name, options)
        case .processes:
            let closure = PortableClosure(VoidBodyClosure(body: body), fileID: fileID, line: line)
            let arguments = try system.encoder.encode(ArgumentList(repeat each argument))
            let child = try await system.startChild(
                name: name,
                options: options,
                body: closure,
                arguments: arguments
            )
            return SpawnedProcess(name: name, pid: child.processID, body: ProcessBody(child) { _ in })
        }
    }

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
            // Kept by a body that lasts until the context stops it.
            _ = try start(
                TaskBody {
                    try? await Promise<Void>().value()
                    withExtendedLifetime(actor) {}
                },
                name,
                ProcessOptions()
            )
            return actor
        case .processes:
            let closure = PortableClosure(HostClosure(make: make), fileID: fileID, line: line)
            let child = try await system.startChild(name: name, body: closure, arguments: [])
            let id = try await child.hosted.value()
            return try Act.resolve(id: system.decoder.decode(ActorID.self, from: id), using: system)
        }
    }

    private func start<Value>(
        _ body: TaskBody<Value>,
        _ name: String?,
        _ options: ProcessOptions
    ) throws -> SpawnedProcess<Value> {
        if let problem = options.problemOnThreads {
            body.cancel()
            throw SpawnError(problem)
        }
        let processes = system.processes
        guard processes.insert(body) else {
            body.cancel()
            throw SpawnError("nothing can be spawned in a context that has ended; make another one")
        }
        body.onEnd { processes.remove(body) }
        if let time = options.timeout { body.limit(time, name) }
        return SpawnedProcess(name: name, pid: Int(getpid()), body: body)
    }
}
