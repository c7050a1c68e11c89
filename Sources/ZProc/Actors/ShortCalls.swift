// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Distributed
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// Calls of methods that are likely not to wait for anything, which a transport's threads carry out one after the other.
///
/// Each goes from its bytes to its answer before the next one is read: what it needs is in the processor's caches by then,
/// where the things of a hundred calls that have been begun are not. One task carries out several, as long as none of them
/// has to wait: to make a task takes as long as a small method does.
final class ShortCalls: Sendable {
    private struct Waiting {
        let call: IncomingCall
        let target: DistributedTarget
    }

    /// A call that can be carried out; it goes from hand to hand, because to copy it is to count five references.
    struct Prepared: ~Copyable {
        let call: IncomingCall
        let target: DistributedTarget
        let arguments: CallArguments
        let actor: any DistributedActor

        var priority: TaskPriority? { arguments.circumstances?.taskPriority }
    }

    /// In the order they came.
    private let waiting = Mutex(Deque<Waiting>())

    /// Has a call that is open carried out after those that wait already.
    func put(_ call: IncomingCall, _ target: DistributedTarget, by service: ActorService) {
        let isFirst = waiting.withLock { waiting in
            defer { waiting.append(Waiting(call: call, target: target)) }
            return waiting.isEmpty
        }
        // Those behind it are found by whoever carries it out.
        guard isFirst else { return }
        guard let threads = call.inbound.workThreads else {
            // They have just ended; calls that come by others may be among these.
            while let next = waiting.withLock({ $0.popFirst() }) { service.startOpened(next.call) }
            return
        }
        threads.enqueue { [self] turn in carryOut(in: turn, by: service) }
    }

    /// Carries out calls on the calling thread, those first that have waited longest.
    ///
    /// - Returns: how many there were.
    private func carryOut(in turn: any WorkTurn, by service: ActorService) -> Int {
        let (first, isLast) = waiting.withLock { ($0.popFirst(), $0.isEmpty) }
        guard let first else { return 0 }
        if !isLast { turn.othersWait() }
        guard let system = service.system.object else { return 1 }
        var count = 1
        var next = service.prepare(first.call, first.target, system)
        while let call = next.take() {
            let run = Run(of: self, by: service, in: system)
            next = run.carryOut(call, in: turn, atMost: isLast ? 1 : turn.most, &count)
        }
        return count
    }

    /// Takes the next call that can be carried out.
    ///
    /// - Parameters:
    ///   - service: carries it out.
    ///   - system: where its actor lives.
    ///   - count: counts it, and those before it that cannot be carried out.
    /// - Returns: the call; nil when none waits.
    fileprivate func takeNext(by service: ActorService, _ system: ZProcSystem, _ count: inout Int) -> Prepared? {
        while let next = waiting.withLock({ $0.popFirst() }) {
            count += 1
            if let prepared = service.prepare(next.call, next.target, system) { return prepared }
        }
        return nil
    }
}

/// What one task does on the thread that has begun it.
///
/// `@unchecked`: its variables are that thread's, and the task's as long as it has not waited for anything, which is on
/// that thread.
private final class Run: @unchecked Sendable {
    private let calls: ShortCalls
    private let service: ActorService
    private let system: ZProcSystem
    private let coders: ZProcSystem.Coders

    private var task: Task<Void, Never>?
    private var turn: (any WorkTurn)?
    private var most = 1
    private var count = 0
    /// What the task is to begin with, until it does.
    private var first: ShortCalls.Prepared?
    /// The method it is at.
    private var current: DistributedTarget?
    /// A call that it has taken and cannot carry out, because that one has another priority.
    private var rest: ShortCalls.Prepared?

    init(of calls: ShortCalls, by service: ActorService, in system: ZProcSystem) {
        self.calls = calls
        self.service = service
        self.system = system
        coders = system.coders
    }

    /// Carries out a call, and others after it.
    ///
    /// - Parameters:
    ///   - first: the call, which has been counted.
    ///   - turn: whose turn it is.
    ///   - most: up to how many calls the turn may count before it takes another one.
    ///   - count: how many have been taken in this turn.
    /// - Returns: one that has been taken and not been begun.
    func carryOut(
        _ first: consuming ShortCalls.Prepared,
        in turn: any WorkTurn,
        atMost most: Int,
        _ count: inout Int
    ) -> ShortCalls.Prepared? {
        (self.turn, self.most, self.count) = (turn, most, count)
        current = first.target
        let priority = first.priority, call = first.call
        self.first = consume first
        UnboundTask.runHere(for: self) {
            let task = Task(priority: priority) { @UnboundTask in await self.run(priority) }
            self.task = task
            call.begin(task)
        }
        current?.habit.learn(waits: true)
        count = self.count
        (task, self.turn, current) = (nil, nil, nil)
        return rest.take()
    }

    @concurrent private func run(_ priority: TaskPriority?) async {
        var next = first.take()
        while let call = next.take() {
            let (incoming, arguments, target, actor) = (call.call, call.arguments, call.target, call.actor)
            // This task has begun outside of all others, and so has no deadline of its own.
            if let deadline = arguments.circumstances?.deadline {
                await ActorService.execute(incoming, arguments, target, on: actor, by: deadline, system, coders)
            } else {
                await ActorService.invoke(incoming, arguments, target, on: actor, system, coders)
            }
            next = takeNext(after: call, priority)
        }
    }

    /// The call to carry out after one that has been.
    private func takeNext(
        after last: borrowing ShortCalls.Prepared,
        _ priority: TaskPriority?
    ) -> ShortCalls.Prepared? {
        // Otherwise the thread has gone on, and does what is left.
        guard UnboundTask.isRun(for: self), let task, let turn else { return nil }
        current = nil
        last.target.habit.learn(waits: false)
        // A task that is cancelled stays so; one that is about to be has been asked for by the call.
        guard count < most, !turn.isOver, last.call.hasEndedUncancelled, !task.isCancelled else { return nil }
        // Handed on as it is, it would be watched for others that use it meanwhile.
        var newCount = count
        let taken = calls.takeNext(by: service, system, &newCount)
        count = newCount
        guard let next = taken else { return nil }
        guard next.priority == priority else {
            rest = consume next
            return nil
        }
        current = next.target
        next.call.begin(task)
        return next
    }
}
