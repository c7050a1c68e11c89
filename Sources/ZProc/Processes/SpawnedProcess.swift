// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import ZProcCore

/// A body that runs elsewhere: in a process of its own, or on a task of this one. Made by `context.spawn`.
///
/// It runs whether or not anybody holds or awaits this; leaving the context's scope stops it.
public actor SpawnedProcess<Value: Sendable> {
    /// The name given to `spawn`.
    public nonisolated let name: String?
    /// The operating system's number of the process the body runs in; on `.threads` that of this one.
    public nonisolated let pid: Int

    private let body: any SpawnedBody<Value>

    init(name: String?, pid: Int, body: any SpawnedBody<Value>) {
        self.name = name
        self.pid = pid
        self.body = body
    }

    /// What the body returned.
    ///
    /// Waits for it; every later time gives the same.
    ///
    /// Cancelling the task that waits stops the process, as a structured child task would be.
    ///
    /// - Throws: what the body threw, as the same type when that is `Codable`, else as ``RemoteError``;
    ///   ``ProcessTermination`` as soon as the process ends in another way.
    public var value: Value {
        get async throws {
            // A task of its own, so that the body's own end is awaited even when this one is cancelled.
            let outcome = Task { try await body.outcome() }
            return try await withTaskCancellationHandler {
                try await outcome.value
            } onCancel: {
                Task { await stop() }
            }
        }
    }

    /// Whether the process, or the body's task, has not ended yet.
    public var isRunning: Bool { body.isRunning }

    /// Cancels the body; if the process is still there after `grace`, sends SIGTERM, and after another, SIGKILL.
    ///
    /// Returns when it has ended. On `.threads` there is nothing stronger than cancelling: this waits for the body.
    public func stop(grace: Duration = .seconds(2)) async { await body.stop(grace: grace) }
}

/// What a ``SpawnedProcess`` is a handle of.
protocol SpawnedBody<Value>: Stoppable {
    associatedtype Value: Sendable
    var isRunning: Bool { get }
    /// Waits for the body's end; cancelling the waiter does not end the wait.
    func outcome() async throws -> Value
}

/// A body in a child process.
final class ProcessBody<Value: Sendable>: SpawnedBody {
    private let child: ChildProcess
    private let decode: @Sendable ([UInt8]) throws -> Value

    init(_ child: ChildProcess, decode: @escaping @Sendable ([UInt8]) throws -> Value) {
        self.child = child
        self.decode = decode
    }

    var isRunning: Bool { child.isRunning }
    func outcome() async throws -> Value { try decode(try await child.outcome.value()) }
    func stop(grace: Duration) async { await child.stop(grace: grace) }
}

/// A body on a task of this process.
final class TaskBody<Value: Sendable>: SpawnedBody {
    private let task: Task<Void, Never>
    private let result = Promise<Value>()
    private let ended = Promise<Void>()

    init(_ body: @concurrent @escaping @Sendable () async throws -> Value) {
        let result = result, ended = ended
        task = Task {
            do { result.settle(.success(try await body())) } catch { result.settle(.failure(error)) }
            ended.settle(.success(()))
        }
    }

    var isRunning: Bool { ended.result == nil }
    func outcome() async throws -> Value { try await result.value() }

    func cancel() { task.cancel() }

    func stop(grace: Duration) async {
        task.cancel()
        await task.value
    }

    /// Gives the body so much time from now.
    func limit(_ time: Duration, _ name: String?) {
        let timer = Task { [result, task] in
            try await Task.sleep(for: time.countable)
            let termination = ProcessTermination(
                cause: .timedOut(after: time),
                processID: Int(getpid()),
                name: name,
                standardErrorTail: ""
            )
            if result.settle(.failure(termination)) { task.cancel() }
        }
        onEnd { timer.cancel() }
    }

    /// Calls `action` when the body has ended.
    func onEnd(_ action: @escaping @Sendable () -> Void) {
        Task {
            await task.value
            action()
        }
    }
}
