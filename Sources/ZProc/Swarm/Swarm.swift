// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import PortableClosures
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// Workers that work on the items of maps and on single tasks; made by ``Context/swarm(workers:options:)``.
///
///     let swarm = try context.swarm(workers: 4)
///     let squares = try await swarm.map(0..<1_000_000) { $0 * $0 }
///     let sum = try await swarm.run(3, 4) { $0 + $1 }
///
/// On `.processes` each worker is a process; on `.threads` a task, to which items go as they are. A worker that dies is
/// replaced, and what it worked on is done again elsewhere: a closure may run more than once for an item.
///
/// What a worker runs may use other swarms, but not wait for its own: all workers could be waiting like that. On
/// `.threads` that is an error, ``SwarmError/Code/nested``; to a process a swarm does not travel.
///
/// The workers end with the last reference to the swarm, or with the context. A map keeps the swarm.
public final class Swarm: Sendable {
    /// How many workers of its own a swarm has at most.
    public static let maximumCount = 4_096

    let context: Context
    let engine: SwarmEngine
    private let wanted: Mutex<Int>

    init(_ context: Context, _ engine: SwarmEngine, count: Int) {
        self.context = context
        self.engine = engine
        wanted = Mutex(count)
        engine.setWorkerCount(count)
    }

    deinit {
        let engine = engine, system = context.system
        Task { await system.end(engine, grace: Context.grace) }
    }

    /// How many workers there are to be.
    public var count: Int { wanted.withLock { $0 } }

    /// How many workers are ready at the moment, with those that joined from elsewhere.
    public var readyCount: Int { engine.workerCount }

    /// The processes of the swarm's own workers that are ready; on `.threads` this process, as often as there are
    /// workers.
    public var pids: [Int] { engine.processIDs }

    /// Changes the number of workers, also while they work: new ones are started at once, those that are too many end
    /// when they have done what they have.
    ///
    /// With none, work waits. Workers that joined from elsewhere are not counted, and stay.
    ///
    /// - Parameters:
    ///   - count: how many there are to be, up to ``maximumCount``.
    ///   - force: whether those that are too many end at once, in the middle of an item, which then runs again on another
    ///     one. On `.threads` the item is cancelled.
    public func resize(to count: Int, force: Bool = false) {
        let count = max(0, min(count, Self.maximumCount))
        wanted.withLock { $0 = count }
        engine.setWorkerCount(count, force: force)
    }

    /// Ends the workers and everything that runs on them: maps and tasks fail with ``SwarmError/Code/closed``.
    ///
    /// - Parameter grace: how long workers get for each step of stopping.
    public func stop(grace: Duration = .seconds(2)) async { await context.system.end(engine, grace: grace) }
}

extension Context {
    /// Makes a swarm of workers on the context's backend; they start at once, and work waits for them.
    ///
    /// - Parameters:
    ///   - count: how many workers; by default as many as this process may use processors.
    ///   - options: how they run, and when they are replaced.
    /// - Returns: the swarm.
    /// - Throws: ``SpawnError`` for options that workers cannot have; ``SwarmError`` in a context that has ended.
    public func swarm(workers count: Int? = nil, options: SwarmOptions = SwarmOptions()) throws -> Swarm {
        try makeSwarm(count, options, closure: { PortableClosure(WorkerBody<Void>(prepare: nothing)) }, prepare: { () })
    }

    /// Makes a swarm whose workers each call `initializer` first, and keep what it returns as
    /// ``WorkerStorage/value(as:)``.
    ///
    /// - Parameters:
    ///   - count: how many workers; by default as many as this process may use processors.
    ///   - options: how they run, and when they are replaced.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - initializer: makes what a worker keeps; an error means that the worker could not be started. Travels as a
    ///     spawned body does.
    /// - Returns: the swarm.
    /// - Throws: ``SpawnError`` for options that workers cannot have; ``SwarmError`` in a context that has ended.
    public func swarm<Storage: Sendable>(
        workers count: Int? = nil,
        options: SwarmOptions = SwarmOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        initializer: @escaping @concurrent @Sendable () async throws -> Storage
    ) throws -> Swarm {
        try makeSwarm(count, options) {
            PortableClosure(WorkerBody(prepare: initializer), fileID: fileID, line: line)
        } prepare: {
            try await initializer()
        }
    }

    private func makeSwarm(
        _ count: Int?,
        _ options: SwarmOptions,
        closure: @escaping @Sendable () -> PortableClosure,
        prepare: @escaping @Sendable () async throws -> any Sendable
    ) throws -> Swarm {
        let count = max(0, count ?? availableProcessorCount())
        guard count <= Swarm.maximumCount else {
            throw SpawnError("a swarm has at most \(Swarm.maximumCount) workers, not \(count)")
        }
        var limits = BrokerLimits()
        limits.idleLimit = options.idleLimit
        limits.minimumWorkers = options.minimumWorkers
        limits.itemsPerWorker = options.itemsPerWorker.map { max(1, $0) }
        let start: SwarmEngine.Start
        var body: PortableClosure?
        switch backend {
        case .threads:
            if let problem = options.process.problemOnThreads { throw SpawnError(problem) }
            let isBlocking = options.process.isBlocking
            start = { engine, id in
                let worker = TaskWorker(id)
                try engine.enter(worker, id)
                worker.start(for: engine, isBlocking: isBlocking, prepare: prepare)
            }
        case .processes:
            if let problem = options.process.problem { throw SpawnError(problem) }
            let system = system, contextOptions = self.options, process = options.process
            // Now, so that what cannot travel is an error here.
            let closure = closure()
            body = closure
            _ = try system.encodeJob(closure, [], process)
            start = { engine, id in
                let worker = ProcessWorker(id, of: engine)
                try engine.enter(worker, id)
                let request = ZProcSystem.ChildRequest(
                    name: "worker \(id.number)",
                    options: process,
                    limits: contextOptions,
                    siblingCount: count
                )
                let name = WorkerName(swarm: engine.number, worker: id.number)
                let job = try system.encodeJob(closure, system.encoder.encode(name), process)
                let child = try await system.startChild(request, job: job)
                worker.started(child)
                child.exit.whenSettled { [engine = WeakReference(engine)] _ in
                    if case .failure(let error)? = child.outcome.result {
                        engine.object?.ended(id, error)
                    } else {
                        engine.object?.ended(id, nil)
                    }
                }
            }
        }
        let engine = SwarmEngine(
            number: system.swarms.makeNumber(),
            system: system,
            limits: limits,
            options: options,
            body: body,
            start: start
        )
        guard system.processes.insert(engine, rank: .process) else { throw SwarmError.hasEnded }
        system.swarms.add(engine)
        return Swarm(self, engine, count: count)
    }
}

/// What a worker prepares that keeps nothing.
private let nothing: @concurrent @Sendable () async throws -> Void = {}

extension ZProcSystem {
    /// Ends a swarm, whose workers then ask in vain.
    func end(_ engine: SwarmEngine, grace: Duration) async {
        await engine.stop(grace: grace)
        processes.remove(engine)
        swarms.remove(engine)
    }
}
