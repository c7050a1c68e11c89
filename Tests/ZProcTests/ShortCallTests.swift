// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Distributed
import Synchronization
import Testing
import ZProc

/// Calls that wait for nothing, of which one thread carries out many: what one of them does is nothing to the others.
@Suite(.tags(.actors), .timeLimit(.minutes(5))) struct ShortCallTests {
    /// A method that has always returned at once and now blocks its thread, or waits: what came behind it is answered.
    @Test(arguments: Way.allCases, [false, true])
    func aCallThatTakesLongHoldsUpNoOther(_ way: Way, _ blocks: Bool) async throws {
        try await way.withClerks { slow, quick, gate in
            try await Self.call(times: 2_000) { _ = try await quick.stamp($0) }
            try await Self.call(times: 2_000) { _ in
                if blocks { try await slow.block(false) } else { try await slow.pause(false) }
            }
            for round in 0..<20 {
                let begun = gate.begunCount
                let long = Task { if blocks { try await slow.block(true) } else { try await slow.pause(true) } }
                // Behind it, beside it, or when it is known to be at it.
                if round % 2 == 0 { try await eventually { gate.begunCount > begun } }
                try await Self.call(times: 300) { number in
                    let answer = try await quick.stamp(number)
                    #expect(answer == number)
                }
                try await eventually { gate.begunCount > begun }
                if blocks { gate.unblock() } else { gate.open() }
                try await long.value
            }
        }
    }

    /// Many calls of one method that wait, among others of it that do not.
    @Test(arguments: Way.allCases) func thoseOfAMethodThatWaitAreAnswered(_ way: Way) async throws {
        try await way.withClerks { clerk, _, gate in
            for _ in 0..<5 {
                let begun = gate.begunCount
                let long = (0..<200).map { _ in Task { try await clerk.pause(true) } }
                try await Self.call(times: 300) { _ in try await clerk.pause(false) }
                try await eventually { gate.begunCount == begun + long.count }
                for _ in long { gate.open() }
                for call in long { try await call.value }
            }
        }
    }

    /// That a call is cancelled is seen by it alone, not by those that its task carries out after it.
    @Test(arguments: Way.allCases) func onlyWhoIsCancelledIsCancelled(_ way: Way) async throws {
        // In the body tasks prefer the threads that send, so that what they send goes out together.
        try await way.withHostedClerk { clerk in
            try await Self.call(times: 500) { _ in _ = try await clerk.isCancelled() }
            var rounds = 0, cancelledCount = 0
            while rounds < 40 || cancelledCount == 0 {
                rounds += 1
                try await Self.call(times: 100) { number in
                    guard number % 5 == 0 else {
                        let isCancelled = try await clerk.isCancelled()
                        #expect(!isCancelled)
                        return
                    }
                    await withTaskGroup { group in
                        group.addTask { _ = try? await clerk.isCancelled() }
                        // It has been sent by then.
                        await Task.yield()
                        group.cancelAll()
                    }
                }
                cancelledCount = try await clerk.cancelledCount()
            }
        }
    }

    /// A method that cancels the task it runs in cancels nobody else's call.
    @Test(arguments: Way.allCases) func whoCancelsItselfIsAlone(_ way: Way) async throws {
        try await way.withHostedClerk { clerk in
            try await Self.call(times: 500) { _ in _ = try await clerk.isCancelled() }
            try await clerk.cancelItself()
            for _ in 0..<20 {
                try await Self.call(times: 60) { number in
                    if number % 3 == 0 { return try await clerk.cancelItself() }
                    let isCancelled = try await clerk.isCancelled()
                    #expect(!isCancelled)
                }
            }
        }
    }

    /// A call that waits, though its method seemed not to, is cancelled as any other.
    @Test(arguments: Way.allCases) func aCallThatWaitsIsCancelled(_ way: Way) async throws {
        try await way.withClerks { clerk, _, gate in
            try await Self.call(times: 500) { _ in try await clerk.sleep(false) }
            for _ in 0..<20 {
                let begun = gate.begunCount
                let calls = (0..<10).map { _ in Task { try await clerk.sleep(true) } }
                try await eventually { gate.begunCount == begun + calls.count }
                for call in calls { call.cancel() }
                for call in calls { await #expect(throws: CancellationError.self) { try await call.value } }
                try await eventually { gate.cancelledCount == gate.begunCount }
            }
        }
    }

    /// Calls of different priorities that come together.
    @Test(arguments: Way.allCases) func eachHasItsCallersPriority(_ way: Way) async throws {
        try await way.withHostedClerk { clerk in
            try await Self.call(times: 500) { _ in _ = try await clerk.priority() }
            let priorities: [TaskPriority] = [.background, .low, .medium, .high]
            for _ in 0..<20 {
                let seen = Tally()
                for number in 0..<80 {
                    // Nobody waits for it: that would raise it.
                    Task(priority: priorities[number % 4]) {
                        let there = try await clerk.priority()
                        seen.add(isRight: there == priorities[number % 4].rawValue)
                    }
                }
                try await eventually { seen.count == 80 }
                #expect(seen.rightCount == 80)
            }
        }
    }

    /// Calls that now and then wait for a moment only, of different priorities: whoever goes on, each is answered.
    @Test(arguments: Way.allCases) func thoseBehindOneThatWaitsForAMomentAreAnswered(_ way: Way) async throws {
        try await way.withHostedClerk { clerk in
            try await Self.call(times: 500) { _ in try await clerk.yield(false) }
            let priorities: [TaskPriority] = [.low, .medium, .high]
            for _ in 0..<50 {
                let seen = Tally()
                for number in 0..<60 {
                    Task(priority: priorities[number % 3]) {
                        try await clerk.yield(number % 7 == 0)
                        seen.add(isRight: true)
                    }
                }
                try await eventually { seen.count == 60 }
            }
        }
    }

    /// Errors, and calls of an actor that has gone, among calls that succeed.
    @Test(arguments: Way.allCases) func eachHasItsOwnError(_ way: Way) async throws {
        try await way.withHost { host in
            let clerk = try await host.host { Clerk(Gate(), actorSystem: $0) }
            let gone = try await host.host { Clerk(Gate(), actorSystem: $0) }
            _ = try await gone.stamp(1)
            _ = try await clerk.stamp(1)
            try await host.release(gone)
            for _ in 0..<10 {
                try await Self.call(times: 300) { number in
                    switch number % 4 {
                    case 0:
                        let error = TestFailure(reason: "\(number)")
                        await #expect(throws: error) { try await clerk.fail(error.reason) }
                    case 1:
                        let error = await #expect(throws: CallError.self) { try await gone.stamp(number) }
                        #expect(error?.code == .actorNotFound)
                    default:
                        let answer = try await clerk.stamp(number)
                        #expect(answer == number)
                    }
                }
            }
        }
    }

    /// Nobody waits for ever for a system that ends, whatever has been called there.
    @Test(arguments: Way.allCases) func callsEndWithTheirSystem(_ way: Way) async throws {
        for _ in 0..<20 {
            try await way.withContexts { caller, callee in
                let clerk = Clerk(Gate(), actorSystem: callee.system)
                let proxy = try ActorTests.proxy(of: clerk, of: callee, at: caller)
                try await Self.call(times: 100) { _ = try await proxy.stamp($0) }
                let calls = (0..<200).map { number in
                    Task { try await proxy.stamp(number) == number }
                }
                await callee.shutdown()
                for call in calls {
                    switch await call.result {
                    case .success(let isRight): #expect(isRight)
                    case .failure(let error): #expect(error is TransportError || error is CallError, "\(error)")
                    }
                }
                withExtendedLifetime(clerk) {}
            }
        }
    }

    /// A method that waits is taken for one after a while, and seldom tried again.
    @Test func aMethodThatWaitsIsSeldomTried() async throws {
        let habit = WaitingHabit()
        var trials = 0
        for _ in 0..<100_000 where habit.expectsNoWait() {
            trials += 1
            habit.learn(waits: true)
        }
        // Those before anything was known, and few more.
        #expect(trials > 1_024 && trials < 1_100, "\(trials)")
        // One that waits no more is found out, in the end.
        for _ in 0..<40_000 where habit.expectsNoWait() { habit.learn(waits: false) }
        trials = 0
        for _ in 0..<100 where habit.expectsNoWait() {
            trials += 1
            habit.learn(waits: false)
        }
        #expect(trials == 100)
    }

    /// As long as calls are about that were made while the method was taken for one that waits, others may find them in
    /// the actor.
    @Test func callsThatWaitForOthersTeachNothing() async throws {
        let habit = WaitingHabit()
        while habit.expectsNoWait() { habit.learn(waits: true) }
        var waiting = 0
        repeat {
            habit.beginsWaiting()
            waiting += 1
        } while !habit.expectsNoWait()
        for _ in 0..<waiting {
            #expect(habit.expectsNoWait())
            habit.learn(waits: true)
            habit.endsWaiting()
        }
        #expect(habit.expectsNoWait())
    }

    private static func call(times count: Int, _ call: @escaping @Sendable (Int) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count { group.addTask { try await call(number) } }
            try await group.waitForAll()
        }
    }
}

/// How calls come.
enum Way: CaseIterable, Sendable {
    case unixSockets, zeroMQ, tcp

    private var address: String? { self == .tcp ? "tcp://127.0.0.1:*" : nil }

    private func options(threadCount: Int) -> ContextOptions {
        var options = ContextOptions()
        options.threadCount = threadCount
        if self == .zeroMQ { options.transport = .zeroMQ }
        return options
    }

    /// Another process, where one thread carries out all calls: what comes together is done in one turn.
    fileprivate func withHost(_ body: @escaping @Sendable (ActorHost) async throws -> Void) async throws {
        try await withContext(.processes, address: address, options: options(threadCount: 1)) { context in
            try await body(context.actorHost())
        }
    }

    /// An actor of such a process.
    fileprivate func withHostedClerk(_ body: @escaping @Sendable (Clerk) async throws -> Void) async throws {
        try await withHost { host in try await body(host.host { Clerk(Gate(), actorSystem: $0) }) }
    }

    /// Two systems of this process.
    fileprivate func withContexts(_ body: (_ caller: Context, _ callee: Context) async throws -> Void) async throws {
        let options = options(threadCount: 3)
        let caller = try Context(.processes, address: address, options: options)
        let callee = try Context(.processes, address: address, options: options)
        try await body(caller, callee)
        await caller.shutdown()
        await callee.shutdown()
    }

    /// Two actors of another system of this process, by what leads there.
    fileprivate func withClerks(_ body: (_ first: Clerk, _ second: Clerk, Gate) async throws -> Void) async throws {
        try await withContexts { caller, callee in
            let gate = Gate()
            let first = Clerk(gate, actorSystem: callee.system), second = Clerk(gate, actorSystem: callee.system)
            let proxies = try [first, second].map { try ActorTests.proxy(of: $0, of: callee, at: caller) }
            do {
                try await body(proxies[0], proxies[1], gate)
            } catch {
                gate.giveUp()
                throw error
            }
            withExtendedLifetime((first, second)) {}
        }
    }
}

/// Counts what is as it should be.
private final class Tally: Sendable {
    private let counts = Mutex((right: 0, all: 0))

    var count: Int { counts.withLock { $0.all } }
    var rightCount: Int { counts.withLock { $0.right } }
    func add(isRight: Bool) { counts.withLock { $0 = ($0.right + (isRight ? 1 : 0), $0.all + 1) } }
}

/// What calls wait at.
private final class Gate: Sendable {
    private struct State {
        var begun = 0
        var cancelled = 0
        /// How many may go through who have not come yet.
        var permits = 0
        var waiters: [UnsafeContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())
    private let semaphore = DispatchSemaphore(value: 0)

    var begunCount: Int { state.withLock(\.begun) }
    var cancelledCount: Int { state.withLock(\.cancelled) }

    func begin() { state.withLock { $0.begun += 1 } }
    func isCancelled() { state.withLock { $0.cancelled += 1 } }

    /// Blocks the thread until ``unblock()``.
    func block() {
        begin()
        semaphore.wait()
    }

    func unblock() { semaphore.signal() }

    /// Waits until ``open()``.
    func wait() async {
        await withUnsafeContinuation { waiter in
            let mayPass = state.withLock { state in
                state.begun += 1
                if state.permits == 0 {
                    state.waiters.append(waiter)
                    return false
                }
                state.permits -= 1
                return true
            }
            if mayPass { waiter.resume() }
        }
    }

    /// Lets one go on who waits, or will.
    func open() {
        let waiter = state.withLock { state in
            if state.waiters.isEmpty { state.permits += 1 }
            return state.waiters.popLast()
        }
        waiter?.resume()
    }

    /// After a test has failed.
    func giveUp() {
        for _ in 0..<1_000 {
            open()
            unblock()
        }
    }
}

private distributed actor Clerk {
    typealias ActorSystem = ZProcSystem
    private let gate: Gate

    init(_ gate: Gate, actorSystem: ZProcSystem) {
        self.gate = gate
        self.actorSystem = actorSystem
    }

    distributed func stamp(_ number: Int) -> Int { number }
    distributed func block(_ doesBlock: Bool) { if doesBlock { gate.block() } }
    distributed func pause(_ doesWait: Bool) async { if doesWait { await gate.wait() } }
    private var cancelled = 0
    distributed func isCancelled() -> Bool {
        if Task.isCancelled { cancelled += 1 }
        return Task.isCancelled
    }
    distributed func cancelledCount() -> Int { cancelled }
    distributed func cancelItself() { withUnsafeCurrentTask { $0?.cancel() } }
    distributed func yield(_ doesYield: Bool) async { if doesYield { await Task.yield() } }
    distributed func priority() -> UInt8 { Task.currentPriority.rawValue }
    distributed func fail(_ reason: String) throws { throw TestFailure(reason: reason) }
    distributed func sleep(_ doesSleep: Bool) async throws {
        guard doesSleep else { return }
        gate.begin()
        do {
            try await Task.sleep(for: .seconds(1_000))
        } catch {
            gate.isCancelled()
            throw error
        }
    }
}
