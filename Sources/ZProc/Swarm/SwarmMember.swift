// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MessagePack
internal import PortableClosures
internal import Synchronization
internal import ZProcCore

/// A process that has joined a swarm of another one: keeps workers, and tells of itself and of their ends.
struct SwarmMember: Sendable {
    private let address: SwarmAddress
    private let context: Context
    private let count: Int
    private let options: ProcessOptions
    private let patience: Duration
    /// This process among those that joined.
    private let machine = UInt64.random(in: 1 ... .max)
    private let place: Place

    /// Which process the swarm lives in; another one when that is started again.
    private final class Place: Sendable {
        private let node = Mutex<NodeAddress?>(nil)
        /// Settled when the swarm has ended.
        let end = Promise<Void>()

        func current() -> NodeAddress? { node.withLock { $0 } }
        func set(_ address: NodeAddress) { node.withLock { $0 = address } }
        func forget(_ address: NodeAddress) { node.withLock { if $0 == address { $0 = nil } } }
    }

    init(of address: SwarmAddress, in context: Context, count: Int, options: ProcessOptions, patience: Duration) {
        self.address = address
        self.context = context
        self.count = count
        self.options = options
        self.patience = patience
        place = Place()
    }

    private var system: ZProcSystem { context.system }
    /// Beginnings that may fail one after the other.
    private static let maximumStartFailures = 3

    /// Returns when the swarm has ended.
    func run() async throws {
        guard let silence = try await tell([]) else { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<count { group.addTask { try await keepWorker() } }
            group.addTask {
                while true {
                    try await Task.sleep(for: silence / 4)
                    if try await tell([]) == nil { return }
                }
            }
            group.addTask { try await place.end.value() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Has a worker run, and another one when it ends, until the swarm has ended.
    private func keepWorker() async throws {
        var failures = 0, pause = Duration.milliseconds(10)
        while true {
            let start = ContinuousClock.now, child = try await startWorker()
            await withTaskCancellationHandler {
                _ = await child.exit.settled()
            } onCancel: {
                // The swarm has ended, and what it does is in vain.
                Task { await child.stop(grace: context.options.grace) }
            }
            try Task.checkCancellation()
            guard try await tell([child.processID]) != nil else { return }
            let result = child.outcome.result
            switch result {
            case .failure(let error) where !(error is ProcessTermination):
                failures += 1
                if failures == Self.maximumStartFailures { throw error }
            default: failures = 0
            }
            // One that dies at once should not keep the machine busy.
            pause = .now - start > .seconds(1) ? .milliseconds(10) : min(pause * 2, .seconds(1))
            if case .failure? = result { try await Task.sleep(for: pause) }
        }
    }

    private func startWorker() async throws -> ChildProcess {
        guard let node = place.current() else { throw SwarmError.hasEnded }
        let name = MemberName(
            swarm: address.swarm,
            machine: machine,
            endpoint: node.endpoint.description,
            node: node.node
        )
        let request = ZProcSystem.ChildRequest(
            name: "worker of \(address)",
            options: options,
            limits: context.options,
            siblingCount: count
        )
        let body = PortableClosure(MemberBody(work: workAsMember))
        let job = try system.encodeJob(body, system.encoder.encode(name), options)
        let child = try await system.startChild(request, job: job)
        guard system.processes.insert(child, rank: .process) else {
            await child.stop(grace: .zero)
            throw CancellationError()
        }
        child.exit.whenSettled { [processes = system.processes] _ in processes.remove(child as any Stoppable) }
        return child
    }

    /// Tells the swarm that this process is there, and which of its workers have ended.
    ///
    /// - Returns: how long the swarm waits to hear of it; nil when the swarm has ended.
    private func tell(_ ended: [Int]) async throws -> Duration? {
        let start = ContinuousClock.now
        var pause = Duration.milliseconds(20)
        while true {
            do {
                let node = try await coordinator()
                let answer = try await system.call(
                    SwarmService.name,
                    SwarmMethod.machine.rawValue,
                    arguments: try report(ended),
                    at: node
                )
                return .nanoseconds(try system.decoder.decode(Int64.self, from: answer))
            } catch let error as SwarmError where error.code == .closed {
                return nil
            } catch let error where Self.mayPass(error) {
                place.current().map(place.forget)
                // One that was there and has gone may come back under its address.
                if .now - start + pause > patience { throw error }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .milliseconds(500))
            }
        }
    }

    private static func mayPass(_ error: any Error) -> Bool {
        switch error {
        case let error as TransportError:
            [.unreachable, .peerGone].contains(error.code)
        case let error as SwarmError: error.code == .notFound
        default: false
        }
    }

    /// Finds out who is at the address.
    private func coordinator() async throws -> NodeAddress {
        if let node = place.current() { return node }
        let peer = try await system.node.peer(at: address.endpoint, within: patience)
        guard peer.build == system.node.info.build else {
            throw SwarmError.otherBuild(peer.build, here: system.node.info.build)
        }
        let node = NodeAddress(endpoint: address.endpoint, node: peer.node)
        // Before anything else is said, so that the end is known however soon it comes: its process may end with it.
        let method = SwarmMethod.untilEnd.rawValue
        system.request(SwarmService.name, method, arguments: try report([]), at: node) { [place] answer in
            if case .failure(let error as SwarmError) = answer, error.code == .closed {
                place.end.settle()
            } else {
                place.forget(node)
            }
        }
        place.set(node)
        return node
    }

    private func report(_ ended: [Int]) throws -> [UInt8] {
        try system.encoder.encode(MachineReport(swarm: address.swarm, machine: machine, ended: ended))
    }
}

/// What a worker of a swarm elsewhere starts with.
struct MemberName: Codable {
    var swarm: UInt64
    var machine: UInt64
    var endpoint: String
    var node: NodeID
}

/// The body of a worker process that a ``SwarmMember`` keeps.
struct MemberBody: PortableBody {
    let work: @concurrent @Sendable (MemberName, ChildMain) async throws -> Void

    func run(arguments: [UInt8], in child: ChildMain) async throws -> [UInt8] {
        try await work(try child.system.decoder.decode(MemberName.self, from: arguments), child)
        return []
    }
}

/// Asks the swarm what its workers do, and does it; errors are those of the swarm's initializer.
private let workAsMember: @concurrent @Sendable (MemberName, ChildMain) async throws -> Void = { member, child in
    let system = child.system, swarm = NodeAddress(endpoint: try Endpoint(member.endpoint), node: member.node)
    let reply: JoinReply
    do {
        let request = JoinRequest(swarm: member.swarm, machine: member.machine, processID: Int(getpid()))
        let bytes = try await system.call(
            SwarmService.name,
            SwarmMethod.join.rawValue,
            arguments: try system.encoder.encode(request),
            at: swarm
        )
        reply = try system.decoder.decode(JoinReply.self, from: bytes)
    } catch is TransportError {
        // The process that started this one finds out, and waits for it to come back.
        return
    } catch let error as SwarmError where [.closed, .notFound].contains(error.code) {
        return
    }
    guard let body = reply.body.holder as? any PortableWorkerBody else {
        throw CallError(.badResult, "what the swarm sent is no body of a worker")
    }
    let loop = WorkLoop(WorkerName(swarm: member.swarm, worker: reply.worker), of: swarm, in: child)
    try await body.withStorage(number: reply.worker) {
        // The swarm has ended or cannot be reached.
        do { try await loop.run() } catch let error where error is SwarmError || error is TransportError {}
    }
}
