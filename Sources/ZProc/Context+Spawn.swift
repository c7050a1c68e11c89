// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

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
    ///   - retry: which failures are tried again, each time in a new process.
    ///   - retryArguments: the arguments for a retry, when they are to be others.
    ///   - start: whether to start it now; else ``SpawnedProcess/start()`` does.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to run; its result becomes the process's ``SpawnedProcess/value``.
    /// - Returns: the process, as soon as it has been started.
    /// - Throws: ``PortableClosureError`` when a capture cannot travel, and nothing is started; ``SpawnError`` when the
    ///   system cannot start a process, or ``ContextOptions/maximumProcesses`` live already; `CancellationError` when the
    ///   task is cancelled while it waits for the place of one whose value is known and that is about to go, which it does
    ///   for ``ContextOptions/grace`` at most.
    @discardableResult
    public func spawn<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        retry: RetryPolicy = .never,
        retryArguments: (@Sendable (RetryReport) -> (repeat each Argument))? = nil,
        start: Bool = true,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Result
    ) async throws -> SpawnedProcess<Result> {
        let prepared = prepare(
            repeat each argument,
            retryArguments: retryArguments,
            fileID: fileID,
            line: line,
            body: body
        )
        return try await spawn(prepared, Spawning(name, options, retry, start))
    }

    /// Runs a `body` that returns nothing in a process or on a task of its own; see the other form.
    @discardableResult
    public func spawn<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        retry: RetryPolicy = .never,
        retryArguments: (@Sendable (RetryReport) -> (repeat each Argument))? = nil,
        start: Bool = true,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let prepared = prepareVoid(
            repeat each argument,
            retryArguments: retryArguments,
            fileID: fileID,
            line: line,
            body: body
        )
        return try await spawn(prepared, Spawning(name, options, retry, start))
    }

    /// Runs `body` in a process of its own, whatever the backend, and gives its value.
    ///
    ///     let document = try await context.isolated(bytes, options: limits) { bytes in try parse(bytes) }
    ///
    /// Whatever happens there is an error here: a trap, a signal, or more memory or time than `options` allow. On
    /// `.threads` the closure cannot capture handles of this context, whose state is in this process.
    ///
    /// - Parameters:
    ///   - argument: passed to `body`.
    ///   - name: for error messages.
    ///   - options: how much memory and time it has, among others.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to run.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws; ``ProcessTermination`` with the cause; as `spawn`.
    public func isolated<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Result
    ) async throws -> Result {
        let prepared = prepare(
            repeat each argument,
            retryArguments: nil,
            fileID: fileID,
            line: line,
            body: body
        )
        return try await isolated(prepared, Spawning(name, options, .never, true))
    }

    /// Runs a `body` that returns nothing in a process of its own, whatever the backend; see the other form.
    public func isolated<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        name: String? = nil,
        options: ProcessOptions = ProcessOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) async throws {
        let prepared = prepareVoid(
            repeat each argument,
            retryArguments: nil,
            fileID: fileID,
            line: line,
            body: body
        )
        try await isolated(prepared, Spawning(name, options, .never, true))
    }

    // MARK: What all forms share

    /// All that has to do with the types of a body's arguments, done where nothing suspends.
    func prepare<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        retryArguments: (@Sendable (RetryReport) -> (repeat each Argument))?,
        fileID: String,
        line: Int,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Result
    ) -> PreparedBody<Result> {
        let encoder = system.encoder, decoder = system.decoder
        return PreparedBody { failure in
            if let failure, let arguments = retryArguments?(failure) {
                return { try await body(repeat each arguments) }
            }
            return { try await body(repeat each argument) }
        } closure: {
            PortableClosure(BodyClosure(body: body), fileID: fileID, line: line)
        } arguments: { failure in
            if let failure {
                guard let arguments = retryArguments?(failure) else { return nil }
                return try encoder.encode(ArgumentList(repeat each arguments))
            }
            return try encoder.encode(ArgumentList(repeat each argument))
        } decode: {
            try decoder.decode(Result.self, from: $0)
        }
    }

    /// The same for a body that returns nothing.
    func prepareVoid<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        retryArguments: (@Sendable (RetryReport) -> (repeat each Argument))?,
        fileID: String,
        line: Int,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) -> PreparedBody<Void> {
        let encoder = system.encoder
        return PreparedBody { failure in
            if let failure, let arguments = retryArguments?(failure) {
                return { try await body(repeat each arguments) }
            }
            return { try await body(repeat each argument) }
        } closure: {
            PortableClosure(VoidBodyClosure(body: body), fileID: fileID, line: line)
        } arguments: { failure in
            if let failure {
                guard let arguments = retryArguments?(failure) else { return nil }
                return try encoder.encode(ArgumentList(repeat each arguments))
            }
            return try encoder.encode(ArgumentList(repeat each argument))
        } decode: { _ in
        }
    }

    private func isolated<Value: Sendable>(_ body: PreparedBody<Value>, _ spawning: Spawning) async throws -> Value {
        if spawning.options.streams {
            throw SpawnError("nobody could read what an isolated body writes; do not stream it")
        }
        if backend == .processes { return try await spawn(body, spawning).value }
        var scope = options
        scope.spareProcesses = 0
        scope.atEnd = .stop
        // A scope of its own: the signals that end this one end it, too.
        return try await withContext(.processes, options: scope) { try await $0.spawn(body, spawning).value }
    }

    /// Spawns a prepared body on the context's backend.
    func spawn<Value: Sendable>(
        _ body: PreparedBody<Value>,
        _ spawning: Spawning
    ) async throws -> SpawnedProcess<Value> {
        let options = spawning.options
        switch backend {
        case .threads:
            if let problem = options.problemOnThreads { throw SpawnError(problem) }
            let depth = ProcessDepth.current
            guard depth < self.options.maximumDepth else {
                throw SpawnError(
                    "a body \(depth) deep may spawn no others: the context's maximumDepth is "
                        + "\(self.options.maximumDepth); does a body spawn itself?"
                )
            }
            return try await enter(spawning, limit: self.options.maximumProcesses) { failure in
                try TaskAttempt(name: spawning.name, options: options, depth: depth + 1, body: body.run(failure))
            }
        case .processes:
            if let problem = options.problem { throw SpawnError(problem) }
            let system = system
            // Now, so that what cannot travel is an error here, and what is captured travels as it is now.
            let closure = body.closure(), job = try system.encodeJob(closure, body.arguments(nil) ?? [], options)
            let request = ZProcSystem.ChildRequest(
                name: spawning.name,
                options: options,
                limits: self.options,
                siblingCount: spawning.siblingCount,
                output: spawning.output,
                error: spawning.error
            )
            return try await enter(spawning) { failure in
                let others = try failure.flatMap { try body.arguments($0) }
                let next = try others.map { try system.encodeJob(closure, $0, options) }
                return ProcessAttempt(try await system.startChild(request, job: next ?? job), decode: body.decode)
            }
        }
    }

    private func enter<Value: Sendable>(
        _ spawning: Spawning,
        limit: Int = .max,
        launch: @escaping ProcessLife<Value>.Launch
    ) async throws -> SpawnedProcess<Value> {
        let life = ProcessLife(name: spawning.name, retry: spawning.retry, launch: launch)
        let processes = system.processes
        let ending = ProcessTable.Ending(end: life.ending, isObserved: life.isObserved) { [weak life] in
            life?.isIdle ?? false
        }
        // Whoever waits for all waits for the supervisor, who knows what to do about failures.
        let unsupervised = Spawning.isSupervised ? nil : ending
        var wait = PlaceWait()
        insertion: while true {
            switch processes.insert(life, rank: .process, ending: unsupervised, limit: limit) {
            case .entered: break insertion
            case .full:
                if try await wait.isWorthwhile(in: processes, within: self.options.grace) { continue }
                throw SpawnError(
                    "\(limit) bodies live already, the context's maximumProcesses; await some, or raise it"
                )
            case .closed: throw SpawnError("nothing can be spawned in a context that has ended; make another one")
            }
        }
        // Before anybody knows that it has ended.
        life.ending.whenSettled { _ in
            processes.remove(life)
            spawning.output?.finish()
            spawning.error?.finish()
        }
        if spawning.start {
            do {
                try await life.start()
            } catch {
                life.observe()
                throw error
            }
        }
        return SpawnedProcess(
            life,
            output: ProcessOutput(buffer: spawning.output),
            error: ProcessOutput(buffer: spawning.error)
        )
    }
}

/// A body and its arguments, whose types only the closures know.
struct PreparedBody<Value: Sendable>: Sendable {
    /// What to run on a task, given the failure that it is retried after.
    let run: @Sendable (RetryReport?) -> (@concurrent @Sendable () async throws -> Value)
    /// The body as it travels.
    let closure: @Sendable () -> PortableClosure
    /// The arguments, encoded; for a retry nil when they are the same.
    let arguments: @Sendable (RetryReport?) throws -> [UInt8]?
    /// Reads what the body returned.
    let decode: @Sendable ([UInt8]) throws -> Value
}

/// How a body is spawned, beside what it is.
struct Spawning: Sendable {
    /// Whether a supervisor does the spawning.
    @TaskLocal static var isSupervised = false

    let name: String?
    let options: ProcessOptions
    let retry: RetryPolicy
    let start: Bool
    /// How many are spawned together.
    let siblingCount: Int
    let output: OutputBuffer?
    let error: OutputBuffer?

    init(_ name: String?, _ options: ProcessOptions, _ retry: RetryPolicy, _ start: Bool, siblingCount: Int = 1) {
        self.name = name
        self.options = options
        self.retry = retry
        self.start = start
        self.siblingCount = siblingCount
        output = options.standardOutput == .streamed ? OutputBuffer() : nil
        error = options.standardError == .streamed ? OutputBuffer() : nil
    }
}
