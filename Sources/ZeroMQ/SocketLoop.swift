// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The thread of a context that waits for its sockets, and on which tasks and actors can run.
///
/// When it has nothing to run, the thread sleeps in the kernel until libzmq signals one of the sockets. It then receives
/// for whoever waits. A task that itself runs here goes on at once, on the thread that libzmq woke: there is no
/// hand-over to another thread.
///
///     try await withTaskExecutorPreference(context.loop) { try await socket.receive() }
///
///     actor Connection {
///         let context: SocketContext
///         nonisolated var unownedExecutor: UnownedSerialExecutor { context.loop.asUnownedSerialExecutor() }
///     }
///
/// Jobs run one at a time, in the order they came. What runs here holds up every socket of the context, so it must not
/// block; in a context with job threads, jobs run on these, in parallel unless they take microseconds, and whoever has
/// nothing to run waits for the sockets, so that no hand-over is needed, and a job that blocks holds others up for a few
/// milliseconds only. An actor that uses the loop keeps the loop or its context alive, as the one above does.
public final class SocketLoop: TaskExecutor {
    let core: LoopCore

    /// Starts a loop that several users share.
    package init(jobThreads: Int) throws(ZeroMQError) {
        core = try LoopCore(jobThreads: jobThreads)
        core.attach(self)
        try core.startThread()
    }

    deinit {
        core.stop()
    }

    /// Runs a job on the thread, after all that came before.
    public func enqueue(_ job: consuming ExecutorJob) {
        core.enqueue(.task(UnownedJob(job)))
    }

    /// Has `work` done by the job threads, after all jobs that came before.
    ///
    /// Only a loop with job threads does work: for another one this is a mistake.
    package func enqueue(_ work: @escaping LoopWork) {
        precondition(core.jobThreads > 0, "a socket loop without job threads runs jobs only")
        core.enqueue(.work(work))
    }

    /// Has `action` called soon, when some of the jobs that wait here have run; false, and it is not, when hardly any
    /// wait.
    ///
    /// For what is cheaper done once for many jobs. There is no closure on the heap when it is not called.
    package func deferred(_ action: @autoclosure () -> @Sendable () -> Void) -> Bool { core.deferred(action) }

    /// Whether one of the job threads runs all jobs now, since they are short.
    package var isNarrow: Bool { core.state.withLock { $0.threads.isNarrow } }

    /// The executor for actors that run on this thread.
    ///
    /// A loop with job threads has none, since its jobs run at the same time: asking for it is a mistake.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        precondition(core.jobThreads == 0, "a socket loop with job threads runs tasks, not actors")
        return core.actorExecutor.asUnownedSerialExecutor()
    }

    /// Whether the caller runs on this thread; never true for a loop with job threads.
    public var isCurrent: Bool {
        core.isCurrentThread
    }
}

/// Runs actors on the loop's thread.
///
/// Apart from the task executor because Swift wants to know which of the two a job runs for: a task that is bound to no
/// actor can enter one without a detour.
final class LoopActorExecutor: SerialExecutor {
    private unowned let core: LoopCore

    init(core: LoopCore) {
        self.core = core
    }

    func enqueue(_ job: consuming ExecutorJob) {
        core.enqueue(.actor(UnownedJob(job)))
    }

    func checkIsolated() {
        precondition(core.isCurrentThread, "not on the thread of the socket loop")
    }

    func isIsolatingCurrentContext() -> Bool? {
        core.isCurrentThread
    }
}
