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

    /// A call that can be carried out.
    struct Prepared {
        let call: IncomingCall
        let target: DistributedTarget
        let arguments: CallArguments
        let actor: any DistributedActor

        var priority: TaskPriority? { arguments.circumstances?.taskPriority }
    }

    /// In the order they came.
    private let waiting = Mutex(Deque<Waiting>())

    /// Has a call that is open carried out after those that wait already.
    func put(_ call: IncomingCall, _ target: DistributedTarget, on threads: any TransportExecutor, by service: ActorService) {
        let isFirst = waiting.withLock { waiting in
            defer { waiting.append(Waiting(call: call, target: target)) }
            return waiting.isEmpty
        }
        // Those behind it are found by whoever carries it out.
        if isFirst { threads.enqueue { [self] turn in carryOut(in: turn, by: service) } }
    }

    /// Carries out calls on the calling thread, those first that have waited longest.
    ///
    /// - Returns: how many there were.
    private func carryOut(in turn: any WorkTurn, by service: ActorService) -> Int {
        let (first, isLast) = waiting.withLock { ($0.popFirst(), $0.isEmpty) }
        guard let first else { return 0 }
        if !isLast { turn.othersWait() }
        guard let system = service.system.object else { return 1 }
        guard var next = service.prepare(first.call, first.target, system) else { return 1 }
        var count = 0
        while true {
            let run = Run(of: self, atMost: isLast ? 1 : turn.most - count, in: turn, by: service, system)
            let (done, rest) = run.carryOut(next)
            count += done
            guard let rest else { return count }
            next = rest
        }
    }

    /// The next call that can be carried out; nil when none waits.
    fileprivate func takeNext(by service: ActorService, _ system: ZProcSystem) -> Prepared? {
        while let next = waiting.withLock({ $0.popFirst() }) {
            if let prepared = service.prepare(next.call, next.target, system) { return prepared }
        }
        return nil
    }
}

/// What one task does on the thread that has begun it.
private final class Run: Sendable {
    private struct State {
        var task: Task<Void, Never>?
        /// What it is at.
        var current: DistributedTarget?
        var count = 0
        /// One that it cannot carry out, because it has another priority.
        var rest: ShortCalls.Prepared?
        /// Whether the thread has gone on, because a call waits for something.
        var isLeft = false
    }

    private let calls: ShortCalls
    private let most: Int
    private let turn: any WorkTurn
    private let service: ActorService
    private let system: ZProcSystem
    private let state = Mutex(State())

    init(
        of calls: ShortCalls,
        atMost most: Int,
        in turn: any WorkTurn,
        by service: ActorService,
        _ system: ZProcSystem
    ) {
        self.calls = calls
        self.most = most
        self.turn = turn
        self.service = service
        self.system = system
    }

    /// Carries out a call, and others after it.
    ///
    /// - Returns: how many have been begun, and one that has been taken and not been begun.
    func carryOut(_ first: ShortCalls.Prepared) -> (count: Int, rest: ShortCalls.Prepared?) {
        UnboundTask.runHere {
            let task = Task(priority: first.priority) { @UnboundTask in await self.run(first) }
            state.withLock { state in
                state.task = task
                state.current = first.target
            }
            first.call.begin(task)
        }
        let (waits, count, rest) = state.withLock { state in
            defer {
                state.isLeft = true
                state.task = nil
                state.rest = nil
            }
            return (state.current, state.count, state.rest)
        }
        waits?.habit.learn(waits: true)
        return (waits == nil ? count : count + 1, rest)
    }

    @concurrent private func run(_ first: ShortCalls.Prepared) async {
        var next = first
        while true {
            await ActorService.execute(next.call, next.arguments, next.target, on: next.actor, system)
            guard let following = takeNext(after: next, first.priority) else { return }
            next = following
        }
    }

    /// The call to carry out after one that has been.
    private func takeNext(after last: ShortCalls.Prepared, _ priority: TaskPriority?) -> ShortCalls.Prepared? {
        let task = state.withLock { state -> Task<Void, Never>? in
            guard !state.isLeft else { return nil }
            state.current = nil
            state.count += 1
            return state.count < most && !turn.isOver ? state.task : nil
        }
        guard let task else { return nil }
        last.target.habit.learn(waits: false)
        // A task that is cancelled stays so, or is about to be.
        guard last.call.hasEndedUncancelled, let next = calls.takeNext(by: service, system) else { return nil }
        let isFit = next.priority == priority
        state.withLock { state in
            if isFit { state.current = next.target } else { state.rest = next }
        }
        guard isFit else { return nil }
        next.call.begin(task)
        return next
    }
}
