// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MessagePack
internal import ZProcCore

/// One run of a spawned body.
protocol Attempt<Value>: Stoppable {
    associatedtype Value: Sendable
    var processID: Int { get }
    /// What the body came to: known before the process has gone.
    var outcome: Promise<BodyValue<Value>> { get }
    /// Settled when nothing of it is left.
    var exit: Promise<Void> { get }
    /// Sends a signal.
    func signal(_ number: Int32) throws(ProcessControlError)
}

/// What a body returned.
enum BodyValue<Value: Sendable>: Sendable {
    case value(Value)
    /// From another process; decoded by whoever wants it, on its own thread.
    case encoded([UInt8], decode: @Sendable ([UInt8]) throws -> Value)

    func get() throws -> Value {
        switch self {
        case .value(let value): value
        case .encoded(let bytes, let decode): try decode(bytes)
        }
    }
}

/// A run in a child process.
final class ProcessAttempt<Value: Sendable>: Attempt {
    let outcome = Promise<BodyValue<Value>>()
    private let child: ChildProcess

    init(_ child: ChildProcess, decode: @escaping @Sendable ([UInt8]) throws -> Value) {
        self.child = child
        child.outcome.whenSettled { [outcome] result in
            outcome.settle(result.map { .encoded($0, decode: decode) })
        }
    }

    var processID: Int { child.processID }
    var exit: Promise<Void> { child.exit }
    func signal(_ number: Int32) { child.signal(number) }
    func stop(grace: Duration) async { await child.stop(grace: grace) }
}

/// A run on a task of this process.
final class TaskAttempt<Value: Sendable>: Attempt {
    let outcome = Promise<BodyValue<Value>>()
    let exit = Promise<Void>()
    private let task: Task<Void, Never>

    /// - Parameters:
    ///   - name: for errors.
    ///   - options: how long it may take, and whether it blocks.
    ///   - depth: how deep it is in the tree of bodies.
    ///   - body: what to run.
    /// - Throws: ``SpawnError`` when it blocks and there is no thread for it.
    init(
        name: String?,
        options: ProcessOptions,
        depth: Int,
        body: @concurrent @escaping @Sendable () async throws -> Value
    ) throws(SpawnError) {
        let outcome = outcome, exit = exit
        let thread: ThreadExecutor?
        do throws(ThreadError) {
            thread = options.isBlocking ? try ThreadExecutor(ifPossible: ()) : nil
        } catch {
            throw SpawnError(
                "there is no thread for a body that blocks: \(error); await some, or raise the limit of threads",
                errorNumber: error.errorNumber
            )
        }
        // What holds for the spawning task does not for the body.
        task = ProcessDepth.$current.withValue(depth) {
            Spawning.$isSupervised.withValue(false) {
                CallDeadline.$current.withValue(nil) {
                    Task(executorPreference: thread) {
                        do { outcome.settle(.success(.value(try await body()))) } catch {
                            outcome.settle(.failure(error))
                        }
                        exit.settle()
                        thread?.finish()
                    }
                }
            }
        }
        if let time = options.timeout { limit(time, name) }
    }

    var processID: Int { Int(getpid()) }

    func signal(_ number: Int32) throws(ProcessControlError) {
        throw ProcessControlError("a body on .threads is no process that could get signal \(number); use stop()")
    }

    func stop(grace: Duration) async {
        task.cancel()
        _ = await exit.settled()
    }

    /// Gives the body so much time from now.
    private func limit(_ time: Duration, _ name: String?) {
        let timer = AlarmClock.shared.set(after: time) { [outcome, task] in
            let termination = ProcessTermination(.timedOut(after: time), processID: Int(getpid()), name: name)
            // Cancellation handlers are the user's code.
            if outcome.settle(.failure(termination)) { Task { task.cancel() } }
        }
        exit.whenSettled { _ in timer.cancel() }
    }
}

/// How deep in the tree of bodies the present task is, on `.threads`.
enum ProcessDepth {
    @TaskLocal static var current = 0
}
