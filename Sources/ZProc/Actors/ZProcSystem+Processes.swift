// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MessagePack
internal import PortableClosures
internal import WeakReferences
internal import ZProcCore

extension ZProcSystem {
    static let ownProgram = "/proc/self/exe"

    /// What a child is to do, and how.
    struct ChildRequest: Sendable {
        var name: String?
        var options = ProcessOptions()
        var limits: ContextOptions
        /// How many processes share this one's threads, should more be known to come than live already.
        var siblingCount = 1
        var output: OutputBuffer?
        var error: OutputBuffer?
        /// Whether it is started before there is a job for it.
        var isSpare = false
        /// Which node it is to be, and where it is to listen.
        var identity: NodeAddress?
    }

    /// The encoded form of a job.
    ///
    /// - Throws: ``PortableClosureError`` or an encoding error; ``SpawnError`` when it is too large.
    func encodeJob(_ body: PortableClosure?, _ arguments: [UInt8], _ options: ProcessOptions) throws -> [UInt8] {
        let job = try encoder.encode(
            ProcessJob(
                body: body,
                arguments: arguments,
                setup: ProcessSetup(options),
                hubs: hubs.accesses,
                preparations: preparations.all,
                trace: Trace.outgoing
            )
        )
        guard job.count <= Envelope.maximumByteCount else {
            throw SpawnError(
                "the closure's captures and arguments have \(job.count) bytes, of at most \(Envelope.maximumByteCount); "
                    + "put large data into the state or a file"
            )
        }
        return job
    }

    /// Has a child process run a job: a spare one, or one that is started for it.
    ///
    /// - Throws: ``SpawnError``.
    func startChild(_ request: ChildRequest, job: [UInt8]) async throws -> ChildProcess {
        if let problem = request.options.problem { throw SpawnError(problem) }
        let child = try await spareOrNew(request, job: job)
        if let time = request.options.timeout {
            let timer = AlarmClock.shared.set(after: time) {
                Task { await child.timeIsUp(after: time, grace: Context.grace) }
            }
            // Nothing keeps time for a process that has ended.
            child.exit.whenSettled { _ in timer.cancel() }
        }
        return child
    }

    private func spareOrNew(_ request: ChildRequest, job: [UInt8]) async throws -> ChildProcess {
        if request.options.fitsSpares, request.identity == nil {
            defer { refillSpares() }
            while let spare = spares.take() { if spare.assign(job, name: request.name) { return spare } }
        }
        let child = try await launchChild(request)
        child.job.settle(.success(job))
        return child
    }

    /// Starts what is lacking of the spare processes.
    func refillSpares() {
        guard spares.count > 0 else { return }
        spares.refill { [system = WeakReference(self)] in
            guard let system = system.object else { throw SpawnError("the context has ended") }
            return try await system.launchChild(ChildRequest(limits: system.place.options, isSpare: true))
        }
    }

    /// Starts a child process that then asks for its job.
    private func launchChild(_ request: ChildRequest) async throws -> ChildProcess {
        let address = try node.address()
        guard place.depth < request.limits.maximumDepth else {
            throw SpawnError(
                "a process \(place.depth) deep may spawn no others: the context's maximumDepth is "
                    + "\(request.limits.maximumDepth); does a body spawn itself?"
            )
        }
        guard let launcher = ProcessLauncher.shared() else { throw cannotStart(EMFILE, request.options) }
        let processPlace = try await reservePlace(request)
        guard let child = processes.makeChild(name: request.name) else {
            processPlace?.strike()
            throw SpawnError("nothing can be spawned in a context that has ended; make another one")
        }
        if processes.mayHaveLeftSockets() { RuntimeDirectory.sweepSockets(beside: address.endpoint) }
        let shares = max(request.siblingCount, processes.childCount)
        let threadCount = request.options.threadCount ?? max(1, place.threadCount / shares)
        let argument = ChildArgument(
            parent: address,
            token: child.token,
            depth: place.depth + 1,
            threadCount: threadCount,
            callsInFlight: request.limits.callsInFlight,
            isSpare: request.isSpare,
            identity: request.identity
        )
        let processes = self.processes, states = self.states
        let launch = await launcher.launch(
            program,
            argument: argument.text,
            name: request.name,
            options: request.options,
            threadCount: threadCount,
            place: processPlace,
            output: request.output,
            error: request.error
        ) {
            child.reaped()
            states.processEnded()
        } onExit: { [metrics] termination in
            metrics.current?.ended(termination.status)
            if case .signaled = termination.status {
                // It could not remove its socket; its own children may be about to die.
                RuntimeDirectory.sweepSockets(beside: address.endpoint)
                processes.leavesSockets()
            }
            child.ended(termination)
            processes.remove(child)
        } onLaunch: { launch in
            if case .started(let pid, let descriptor) = launch { child.started(pid: pid, descriptor: descriptor) }
        }
        if case .failed(let number) = launch {
            let error = cannotStart(number, request.options)
            child.failedToStart(error)
            processes.remove(child)
            throw error
        }
        return child
    }

    /// A place in the tree's list of processes; nil when there is no list.
    private func reservePlace(_ request: ChildRequest) async throws -> ProcessRoll.Place? {
        guard let roll else { return nil }
        let limits = request.limits
        var wait = PlaceWait()
        while true {
            if let place = roll.reserve(limit: limits.maximumProcesses) { return place }
            // Spare processes take no place that others wait for.
            if !request.isSpare, try await wait.isWorthwhile(in: processes, within: limits.grace) { continue }
            throw SpawnError(
                "\(limits.maximumProcesses) processes live already, the context's maximumProcesses; await some, or raise it"
            )
        }
    }

    private func cannotStart(_ number: Int32, _ options: ProcessOptions) -> SpawnError {
        SpawnError(
            "cannot start \(program == Self.ownProgram ? CommandLine.arguments[0] : program) as a child process: "
                + String(cString: strerror(number))
                + (options.workingDirectory.map { "; is \($0) a directory one may enter?" } ?? ""),
            errorNumber: number
        )
    }
}
