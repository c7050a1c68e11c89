// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Dispatch
internal import Glibc
internal import ZProcCore

/// Workers on other machines.
extension Swarm {
    /// Where other processes, also on other machines, join the swarm with workers, such as `tcp://10.0.0.1:5555#1`.
    ///
    ///     var options = ContextOptions()
    ///     options.isInsecure = true
    ///     let context = try Context(.processes, address: "tcp://10.0.0.1:5555", options: options)
    ///     let swarm = try context.swarm(workers: 2)
    ///     print(try swarm.address)
    ///
    /// The number counts the swarms of the context, from 1. A context that listens on all of a machine's addresses
    /// (`tcp://*:5555`) is joined at one of them.
    ///
    /// - Throws: ``TransportError`` when the context's address cannot be used; ``SwarmError`` on `.threads`, whose
    ///   items never leave the process.
    public var address: String {
        get throws {
            guard context.backend == .processes else {
                throw SwarmError(
                    .closed,
                    "a swarm on threads has no address, its items never leave the process; make its context with "
                        + ".processes"
                )
            }
            return SwarmAddress(endpoint: try context.system.node.address().endpoint, swarm: engine.number).description
        }
    }

    /// Works for a swarm of another process, usually on another machine, until that swarm has ended.
    ///
    ///     try await Swarm.join("tcp://10.0.0.1:5555", workers: 8)
    ///
    /// The program must be the same build as the swarm's. Workers are processes of this machine; one that dies is
    /// replaced. Every program that uses ZProc does this instead of its `main` when it is started with `ZPROC_JOIN` set
    /// to the address, and `ZPROC_WORKERS` to the number of workers if not all processors are to be used.
    ///
    /// Closures, and whatever code they name, come from the swarm's process: join only what you trust, over a network
    /// you trust.
    ///
    /// - Parameters:
    ///   - address: the swarm's ``address``; without `#` and a number, the first swarm of the context there.
    ///   - count: how many workers; by default as many as this process may use processors.
    ///   - options: how the worker processes run.
    ///   - patience: how long the swarm's process may be away, at the start or in between.
    /// - Throws: ``SwarmError`` when the builds differ or workers could not be started; ``TransportError`` when the
    ///   swarm's process is away for too long; ``SpawnError``; what the swarm's initializer throws; `CancellationError`.
    public static func join(
        _ address: String,
        workers count: Int? = nil,
        options: ProcessOptions = ProcessOptions(),
        patience: Duration = .seconds(10)
    ) async throws {
        let address = try SwarmAddress(address)
        if options.streams { throw SpawnError("nobody could read what a worker writes; do not stream it") }
        if let problem = options.problem { throw SpawnError(problem) }
        if let count, count > Swarm.maximumCount {
            throw SpawnError("a swarm is joined by at most \(Swarm.maximumCount) workers at a time, not \(count)")
        }
        try await withContext(.processes) { context in
            let member = SwarmMember(
                of: address,
                in: context,
                count: max(1, count ?? availableProcessorCount()),
                options: options,
                patience: patience
            )
            try await member.run()
        }
    }
}

/// Where a swarm is joined: `endpoint#number`.
struct SwarmAddress: CustomStringConvertible {
    var endpoint: Endpoint
    var swarm: UInt64

    init(endpoint: Endpoint, swarm: UInt64) {
        self.endpoint = endpoint
        self.swarm = swarm
    }

    init(_ text: String) throws(TransportError) {
        guard let mark = text.lastIndex(of: "#") else {
            self.init(endpoint: try Endpoint(text), swarm: 1)
            return
        }
        guard let number = UInt64(text[text.index(after: mark)...]), number > 0 else {
            throw TransportError(
                .invalidEndpoint,
                "'\(text)' names no swarm: after '#' comes its number, from 1, as in tcp://10.0.0.1:5555#1"
            )
        }
        self.init(endpoint: try Endpoint(String(text[..<mark])), swarm: number)
    }

    var description: String { "\(endpoint)#\(swarm)" }
}

/// Called by the C start code instead of the program's main when `ZPROC_JOIN` is set.
@_cdecl("czproc_join_main") func joinMain() {
    let address = String(cString: czproc_join_address()), count = czproc_join_workers().map { String(cString: $0) }
    let program = CommandLine.arguments.first ?? "zproc"
    func end(_ status: Int32, _ problem: String) -> Never {
        let text = "\(program): \(CZPROC_JOIN_VARIABLE)=\(address): \(problem)\n"
        _ = write(STDERR_FILENO, text, text.utf8.count)
        czproc_exit(status)
    }
    if let count, (Int(count) ?? 0) < 1 {
        end(64, "\(CZPROC_WORKERS_VARIABLE) is '\(count)', not a number of workers")
    }
    Task {
        do {
            try await Swarm.join(address, workers: count.flatMap { Int($0) })
            czproc_exit(0)
        } catch {
            end(70, "\(error)")
        }
    }
    dispatchMain()
}
