// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc

/// Where tasks begin that prefer no executor, and yet are to run on a thread that somebody chooses.
///
/// A task that prefers an executor is put into that one's queue whenever it enters an actor, and whenever it leaves it. One
/// that prefers none enters an actor that nobody is in, and leaves it, on the thread that runs it; but it is the pool of
/// the process that Swift has run it. So such a task is made as one of this actor's, whose executor hands its first job to
/// whoever makes it. What it does is a function that leaves this actor at once (`@concurrent`); there is nothing else to
/// be done here.
@globalActor actor UnboundTask {
    static let shared = UnboundTask()
    private static let executor = Executor()

    nonisolated var unownedExecutor: UnownedSerialExecutor { Self.executor.asUnownedSerialExecutor() }

    /// Has the calling thread run the task that `make` makes, until it waits for something: then it goes on elsewhere.
    ///
    /// - Parameters:
    ///   - owner: whom ``isRun(for:)`` knows it by.
    ///   - make: makes one task of this actor, or none.
    static func runHere(for owner: AnyObject, _ make: () -> Void) {
        var first: UnownedJob?
        withUnsafeMutablePointer(to: &first) { slot in
            czproc_set_thread_slot(Slot.firstJob, slot)
            defer { czproc_set_thread_slot(Slot.firstJob, nil) }
            make()
        }
        guard let first else { return }
        czproc_set_thread_slot(Slot.running, Unmanaged.passUnretained(owner).toOpaque())
        first.runSynchronously(on: noExecutor)
        czproc_set_thread_slot(Slot.running, nil)
    }

    /// Whether the calling thread is still at what it has begun for `owner`: a task that has waited goes on elsewhere.
    static func isRun(for owner: AnyObject) -> Bool {
        czproc_thread_slot(Slot.running) == Unmanaged.passUnretained(owner).toOpaque()
    }

    private enum Slot {
        static let firstJob = Int32(CZPROC_SLOT_FIRST_JOB)
        static let running = Int32(CZPROC_SLOT_RUNNING)
    }

    /// The runtime knows a task that is in no actor by two empty words.
    private static var noExecutor: UnownedSerialExecutor {
        unsafeBitCast((UInt(0), UInt(0)), to: UnownedSerialExecutor.self)
    }

    private final class Executor: SerialExecutor {
        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            if let slot = czproc_thread_slot(Slot.firstJob)?.assumingMemoryBound(to: UnownedJob?.self) {
                slot.pointee = job
                czproc_set_thread_slot(Slot.firstJob, nil)
            } else {
                // It comes back to end, unless the compiler has seen that it need not.
                job.runSynchronously(on: asUnownedSerialExecutor())
            }
        }
    }
}
