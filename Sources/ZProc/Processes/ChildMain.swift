// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Dispatch
internal import Glibc
internal import MessagePack
internal import Synchronization
internal import ZProcCore

/// How a child finds its parent, and which of the parent's children it is; travels in an environment variable.
struct ChildArgument {
    var parent: NodeAddress
    var token: UInt64
    /// How deep in the tree of processes it is; 1 for a child of the root.
    var depth: Int
    /// How many threads it has for tasks.
    var threadCount: Int
    /// How many calls to the actors of one process may wait for an answer.
    var callsInFlight: Int
    /// Whether it is started before there is a body for it.
    var isSpare = false
    /// Which node it is, and where it listens, when it stands for one that has ended.
    var identity: NodeAddress?

    /// Lines, because an endpoint may have anything else in it.
    var text: String {
        let numbers: [any BinaryInteger] = [
            token, parent.node.number, depth, threadCount, callsInFlight, isSpare ? 1 : 0, identity?.node.number ?? 0,
        ]
        var lines = [numbers.map { "\($0)" }.joined(separator: " ")]
        lines.append(parent.endpoint.description)
        if let identity { lines.append(identity.endpoint.description) }
        return lines.joined(separator: "\n")
    }

    /// That of this process; nil when it is no child.
    static let ofThisProcess = czproc_child_argument().flatMap { ChildArgument(String(cString: $0)) }

    init(
        parent: NodeAddress,
        token: UInt64,
        depth: Int,
        threadCount: Int,
        callsInFlight: Int,
        isSpare: Bool,
        identity: NodeAddress?
    ) {
        self.identity = identity
        self.parent = parent
        self.token = token
        self.depth = depth
        self.threadCount = threadCount
        self.callsInFlight = callsInFlight
        self.isSpare = isSpare
    }

    init?(_ text: String) {
        let lines = text.split(separator: "\n"), numbers = lines.first?.split(separator: " ").map { UInt64($0) } ?? []
        guard lines.count >= 2, numbers.count == 7, let token = numbers[0], let node = numbers[1],
            let depth = numbers[2].flatMap({ Int(exactly: $0) }),
            let threadCount = numbers[3].flatMap({ Int(exactly: $0) }),
            let callsInFlight = numbers[4].flatMap({ Int(exactly: $0) }),
            let endpoint = try? Endpoint(String(lines[1]))
        else { return nil }
        var identity: NodeAddress?
        if lines.count > 2, let number = numbers[6], let endpoint = try? Endpoint(String(lines[2])) {
            identity = NodeAddress(endpoint: endpoint, node: NodeID(number: number))
        }
        self.init(
            parent: NodeAddress(endpoint: endpoint, node: NodeID(number: node)),
            token: token,
            depth: depth,
            threadCount: threadCount,
            callsInFlight: callsInFlight,
            isSpare: numbers[5] == 1,
            identity: identity
        )
    }
}

/// A spawned process from the inside: gets its job from the parent, runs it, tells how it ended, and exits.
struct ChildMain: Sendable {
    let system: ZProcSystem
    private let argument: ChildArgument
    /// Who started it.
    var parent: NodeAddress { argument.parent }

    /// What `main` is in a child.
    ///
    /// The main thread serves the main actor.
    static func start() -> Never {
        guard let argument = ChildArgument.ofThisProcess else {
            fail(
                "the variable \(CZPROC_CHILD_VARIABLE) is not as a parent sets it; unset it and start the program again"
            )
        }
        let child = ChildMain(argument)
        Task(executorPreference: child.system.node.taskExecutor) { await child.run() }
        dispatchMain()
    }

    private init(_ argument: ChildArgument) {
        self.argument = argument
        system = ZProcSystem.child(of: argument)
    }

    /// The status of a child that could not go on with its parent.
    static let failureStatus = 70
    /// What it then writes to its standard error first.
    static func failureMark(_ processID: Int) -> String { "zproc: child process \(processID): " }

    /// What has come for this process: a signal that cancels its body.
    fileprivate struct Interrupt {
        /// Settled soon after.
        let promise = Promise<Void>()
        var hasCome = false
        /// The signal that the process dies of when the body has ended; 0 for none.
        var end: Int32 = 0
    }
    fileprivate static let interrupt = Mutex(Interrupt())

    /// Whether a signal has cancelled the body.
    ///
    /// Nobody may have been told yet: what the same signal has ended elsewhere can be noticed first.
    static var isInterrupted: Bool {
        ChildArgument.ofThisProcess != nil && (interrupt.withLock { $0.hasCome } || czproc_is_interrupted() != 0)
    }

    private func run() async -> Never {
        let job: ArraySlice<UInt8>
        do {
            job = try await call(.job, argument.token)
        } catch {
            Self.fail("cannot get its job from its parent: \(error)")
        }
        let interrupt = Self.interrupt.withLock { interrupt in
            // One that came before there was a body was not meant for this one.
            if argument.isSpare { interrupt = Interrupt() }
            return interrupt.promise
        }
        // Before the body can say that it is there.
        czproc_has_body(argument.isSpare ? 1 : 0)
        let body = start(job)
        interrupt.whenSettled { _ in body.cancel() }
        do {
            // An error means that the parent has gone, and that ends this process anyway.
            let token = try system.encoder.encode(argument.token)
            system.request(
                ProcessService.name,
                ProcessMethod.stopRequested.rawValue,
                arguments: token,
                at: argument.parent
            ) { _ in body.cancel() }
        } catch {
            Self.fail("cannot ask its parent when to stop: \(error)")
        }
        let outcome: BodyOutcome
        var status: UInt8 = 0
        let result = await body.result
        let end = Self.interrupt.withLock { $0.end }
        switch result {
        // With room for what goes round it.
        case .success(let result) where result.count > Envelope.maximumByteCount - 1_024:
            let error = CallError(
                .badResult,
                "the body's result has \(result.count) bytes, of at most \(Envelope.maximumByteCount - 1_024); put "
                    + "large data into the state or a file"
            )
            outcome = .threw(system.errorCoder.encode(error))
        case .success(let result): outcome = .returned(result)
        case .failure(is CancellationError) where end != 0:
            // The signal is what it ended of.
            await system.processes.close(grace: Context.childGrace)
            await system.leave()
            czproc_exit_by(end)
        case .failure(let error):
            outcome = .threw(Self.travelling(error, system.errorCoder))
            status = (error as? ProcessExit)?.code ?? 0
        }
        await system.processes.close(grace: Context.childGrace)
        do {
            _ = try await call(.finished, EndReport(token: argument.token, outcome: outcome))
        } catch {
            Self.fail("cannot tell its parent how it ended: \(error)")
        }
        await system.leave()
        if end != 0 { czproc_exit_by(end) }
        czproc_exit(Int32(status))
    }

    /// The error as it travels, or what there is to say of one that is too large for that.
    private static func travelling(_ error: any Error, _ coder: ErrorCoder) -> WireError {
        let encoded = coder.encode(error)
        // With room for what goes round it.
        let count = encoded.message.utf8.count + encoded.type.count + encoded.payload.count
        if count <= Envelope.maximumByteCount - 1_024 { return encoded }
        let name = String(reflecting: type(of: error)),
            start = String(decoding: encoded.message.utf8.prefix(1_000), as: UTF8.self)
        return coder.encode(
            CallError(
                .badResult,
                "the body threw a \(name) of \(count) bytes, of at most \(Envelope.maximumByteCount - 1_024), which begins "
                    + "'\(start)'; put large data into the state or a file"
            )
        )
    }

    /// Runs the job's body: on the transport's threads, or on one of its own when it blocks.
    private func start(_ bytes: ArraySlice<UInt8>) -> Task<[UInt8], any Error> {
        let job: ProcessJob
        do {
            job = try system.decoder.decode(ProcessJob.self, from: bytes)
        } catch {
            return Task { throw error }
        }
        job.setup?.apply()
        for hub in job.hubs { system.hubs.join(hub, system) }
        system.preparations.carryOut(job.preparations)
        system.observe()
        let executor: (any TaskExecutor)?
        do throws(ThreadError) {
            executor = job.setup?.isBlocking == true ? try ThreadExecutor(ifPossible: ()) : system.node.taskExecutor
        } catch {
            let problem = SpawnError(
                "there is no thread for a body that blocks: \(error)",
                errorNumber: error.errorNumber
            )
            return Task { throw problem }
        }
        return Task(executorPreference: executor) {
            guard let closure = job.body else { return try await hostActors() }
            guard let body = closure.holder as? any PortableBody else {
                throw CallError(.badArguments, "the closure sent is no body of a process")
            }
            return try await Trace.withSpan(of: job.trace) { try await body.run(arguments: job.arguments, in: self) }
        }
    }

    /// Has actors live here, which the parent sends, until it stops this process.
    private func hostActors() async throws -> [UInt8] {
        let address = try system.encoder.encode(system.node.address())
        _ = try await call(.hosting, ArgumentList(argument.token, address))
        try await Promise<Void>().value()
        return []
    }

    private func call(_ method: ProcessMethod, _ arguments: some Encodable) async throws -> ArraySlice<UInt8> {
        try await system.call(
            ProcessService.name,
            method.rawValue,
            arguments: try system.encoder.encode(arguments),
            at: argument.parent
        )
    }

    private static func fail(_ problem: String) -> Never {
        let text = "\(failureMark(Int(getpid())))\(problem)\n"
        write(STDERR_FILENO, text, text.utf8.count)
        czproc_exit(Int32(failureStatus))
    }
}

/// Called by the C start code instead of the program's main.
@_cdecl("czproc_child_main") func childMain() { ChildMain.start() }

/// Called by the C start code when the process gets a signal that cancels its body.
@_cdecl("czproc_child_interrupted") func childInterrupted(_ end: Int32) {
    let promise = ChildMain.interrupt.withLock { interrupt in
        interrupt.hasCome = true
        if end != 0 { interrupt.end = end }
        return interrupt.promise
    }
    // Cancellation handlers are the user's code, and this thread watches the parent.
    do throws(ThreadError) {
        // A body may have taken all of the pool's threads; no task would get to cancel it.
        try tryToStartThread { promise.settle() }
    } catch {
        Task.detached { promise.settle() }
    }
}
