// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import PortableClosures
internal import ZProcCore

/// Single tasks.
extension Swarm {
    /// Runs `body` on a worker and gives its value.
    ///
    ///     let sum = try await swarm.run(3, 4) { $0 + $1 }
    ///
    /// Cancelling the task cancels the body.
    ///
    /// - Parameters:
    ///   - argument: passed to `body`.
    ///   - options: times, retries, priority.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to run; travels as a spawned body does.
    /// - Returns: what `body` returned.
    /// - Throws: as `map`.
    public func run<Output: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Output
    ) async throws -> Output {
        let task = try task(repeat each argument, options: options, fileID: fileID, line: line, body: body)
        return try await task.value()
    }

    /// The same for a body that returns nothing.
    public func run<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) async throws {
        let task = try voidTask(repeat each argument, options: options, fileID: fileID, line: line, body: body)
        try await task.value()
    }

    func task<Output: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        options: MapOptions,
        fileID: String,
        line: Int,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Output
    ) throws -> RunningTask<Output> {
        let arguments = (repeat each argument), work: TaskJob.Work
        switch context.backend {
        case .threads: work = .here { run in try await run.result { try await body(repeat each arguments) } }
        case .processes:
            let closure = ZipClosure(transform: body), encoder = context.system.encoder
            let bytes = try encode(PortableClosure(closure, fileID: fileID, line: line))
            work = .elsewhere(closure: bytes) {
                try withExtendedLifetime(closure) { try encoder.encode(row: repeat each arguments) }
            }
        }
        return try RunningTask(TaskJob(work, retry: options.retry), on: self, options, decode: result())
    }

    private func voidTask<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        options: MapOptions,
        fileID: String,
        line: Int,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) throws -> RunningTask<Void> {
        let arguments = (repeat each argument), work: TaskJob.Work
        switch context.backend {
        case .threads: work = .here { run in try await run.result { try await body(repeat each arguments) } }
        case .processes:
            let closure = ZipEachClosure(body: body), encoder = context.system.encoder
            let bytes = try encode(PortableClosure(closure, fileID: fileID, line: line))
            work = .elsewhere(closure: bytes) {
                try withExtendedLifetime(closure) { try encoder.encode(row: repeat each arguments) }
            }
        }
        return try RunningTask(TaskJob(work, retry: options.retry), on: self, options) { _ in }
    }

    private func encode(_ closure: PortableClosure) throws -> [UInt8] { try context.system.encode(closure).bytes }

    /// Decodes the only result of a chunk.
    private func result<Output: Codable & Sendable>() -> @Sendable (ArraySlice<UInt8>) throws -> Output {
        let decoder = context.system.decoder
        return { bytes in
            // An array of one: its only element is read as it is.
            if bytes.first == 0x91 { return try decoder.decode(Output.self, from: bytes.dropFirst()) }
            let values = try decoder.decode([Output].self, from: bytes)
            guard let value = values.first, values.count == 1 else {
                throw CallError(.badResult, "a worker sent \(values.count) results for 1 item")
            }
            return value
        }
    }
}

/// A single task that has been started.
struct RunningTask<Output: Sendable>: Sendable {
    private let swarm: Swarm
    private let id: JobID
    private let job: TaskJob
    private let decode: @Sendable (ArraySlice<UInt8>) throws -> Output
    /// Nil when nobody wants to see how far it is.
    private let reporter: ProgressReporter?

    init(
        _ job: TaskJob,
        on swarm: Swarm,
        _ options: MapOptions,
        decode: @escaping @Sendable (ArraySlice<UInt8>) throws -> Output
    ) throws {
        self.swarm = swarm
        self.job = job
        self.decode = decode
        let id = try swarm.start(job, options)
        self.id = id
        reporter = options.progress == .none ? nil : ProgressReporter(swarm, id, total: 1, options: options)
    }

    func cancel() { swarm.engine.cancel(id) }

    /// Its value, when there is one; cancelling the waiting task cancels this one.
    func value() async throws -> Output {
        defer { reporter?.end() }
        // All workers may wait like that, and then for ever.
        if WorkerStorage.isInside(swarm.engine) {
            cancel()
            throw SwarmError.nested
        }
        let value = try await withTaskCancellationHandler {
            try await job.value()
        } onCancel: {
            cancel()
        }
        reporter?.consumed(1)
        switch value {
        case .encoded(let bytes): return try decode(bytes)
        case .typed(let value):
            guard let output = value as? Output else {
                throw CallError(.badResult, "the task's value is a \(type(of: value)), not a \(Output.self)")
            }
            return output
        }
    }
}
