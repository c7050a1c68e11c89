// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Glibc
import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(5)))
struct SocketLoopTests {
    actor Receiver {
        let socket: Socket
        private(set) var received: [UInt8] = []

        nonisolated var unownedExecutor: UnownedSerialExecutor { socket.context.loop.asUnownedSerialExecutor() }

        init(_ socket: Socket) {
            self.socket = socket
        }

        func receiveAll(_ count: Int) async throws {
            while received.count < count {
                received += Array(try await socket.receive())
                #expect(socket.context.loop.isCurrent)
                assertIsolated()
            }
        }
    }

    @Test func anActorOnTheLoopReceivesThere() async throws {
        let pair = try SocketPair(.pull, .push, over: .ipc)
        let receiver = Receiver(pair.bound)
        async let receiving: Void = receiver.receiveAll(100)
        for number in UInt8(0)..<100 { try await pair.connected.send([number]) }
        try await receiving
        #expect(await receiver.received == Array(0..<100))
    }

    @Test func aTaskOnTheLoopReceivesThere() async throws {
        let pair = try SocketPair(.pull, .push, over: .ipc)
        let loop = pair.context.loop
        async let receiving: Void = withTaskExecutorPreference(loop) {
            for number in UInt8(0)..<100 {
                let message = try await pair.bound.receive()
                #expect(Array(message) == [number])
                #expect(loop.isCurrent)
            }
        }
        for number in UInt8(0)..<100 { try await pair.connected.send([number]) }
        try await receiving
        #expect(!loop.isCurrent)
    }

    @Test func anOrdinaryTaskStaysInThePool() async throws {
        let pair = try SocketPair(.pull, .push, over: .ipc)
        let receiver = Task.detached {
            _ = try await pair.bound.receive()
            return pair.context.loop.isCurrent
        }
        try await pair.connected.send([1])
        #expect(try await receiver.value == false)
    }

    @Test func jobsRunInTheOrderTheyCome() async throws {
        let context = try SocketContext()
        let order = Shared<[Int]>([])
        await withTaskGroup { group in
            for number in 0..<100 {
                group.addTask(executorPreference: context.loop) { order.update { $0.append(number) } }
            }
        }
        #expect(order.value == Array(0..<100))
    }

    @Test func theLoopOutlivesItsContextForTasksThatUseIt() async throws {
        let loop = try SocketContext().loop
        let sum = await withTaskExecutorPreference(loop) {
            await withTaskGroup { group in
                for number in 0..<100 { group.addTask { number } }
                return await group.reduce(0, +)
            }
        }
        #expect(sum == 4950)
    }

    @Test func socketsTakeTurnsWithBusyJobs() async throws {
        let pair = try SocketPair(.pull, .push, over: .ipc)
        let isDone = Shared(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: pair.context.loop) {
                while !isDone.value { await Task.yield() }
            }
            group.addTask(executorPreference: pair.context.loop) {
                _ = try await pair.bound.receive()
                isDone.value = true
            }
            group.addTask(executorPreference: pair.context.loop) { try await pair.connected.send([1]) }
            try await group.waitForAll()
        }
    }

    /// One thread runs all jobs while these are short.
    @Test(arguments: [2, 4]) func oneThreadRunsShortJobs(_ jobThreads: Int) async throws {
        let loop = try SocketLoop(jobThreads: jobThreads)
        await runShortJobs(on: loop)
    }

    /// As many jobs run at once as there are threads for them, also when one has run them alone before.
    @Test(arguments: [2, 3, 8], [false, true])
    func longJobsRunAtOnce(_ jobThreads: Int, _ afterShortOnes: Bool) async throws {
        let loop = try SocketLoop(jobThreads: jobThreads)
        for _ in 0..<2 {
            if afterShortOnes { await runShortJobs(on: loop) }
            let gates = (0..<jobThreads).map { _ in DispatchSemaphore(value: 0) }
            await withTaskGroup { group in
                for own in gates {
                    group.addTask(executorPreference: loop) {
                        // Each goes on when all have come.
                        for gate in gates { gate.signal() }
                        for _ in gates { block(until: own) }
                    }
                }
            }
        }
    }

    /// The thread that has received runs the task itself; when that takes long, another one waits for the sockets.
    @Test(arguments: [1, 2, 4], [false, true])
    func aJobThatBlocksHoldsUpNoSocket(_ jobThreads: Int, _ afterShortOnes: Bool) async throws {
        let context = try SocketContext(jobThreads: jobThreads)
        if afterShortOnes { await runShortJobs(on: context.loop) }
        let calls = try SocketPair(.pull, .push, over: .ipc, in: context)
        let signals = try SocketPair(.pull, .push, over: .ipc, in: context)
        let signal = DispatchSemaphore(value: 0)
        try signals.bound.deliver { batch in for _ in 0..<batch.count { signal.signal() } }
        for _ in 0..<20 {
            let hasBegun = Shared(false)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask(executorPreference: context.loop) {
                    _ = try await calls.bound.receive()
                    hasBegun.value = true
                    block(until: signal)
                }
                try await calls.connected.send([1])
                while !hasBegun.value { await Task.yield() }
                try await signals.connected.send([1])
                try await group.waitForAll()
            }
        }
        await context.shutdown()
    }

    /// A thread runs what its job has made runnable when that job is done; when that takes long, another one does.
    @Test(arguments: [2, 4]) func aJobThatBlocksHoldsUpNoJobItHasMade(_ jobThreads: Int) async throws {
        let context = try SocketContext(jobThreads: jobThreads)
        let loop = context.loop
        let calls = try SocketPair(.pull, .push, over: .ipc, in: context)
        for round in 0..<40 {
            // Short jobs before it, so that one thread has taken to running them alone; or none.
            let count = round % 2 * 20
            if round == 20 { await runShortJobs(on: loop) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask(executorPreference: loop) {
                    for _ in 0..<count {
                        _ = try await calls.bound.receive()
                        await withTaskGroup { $0.addTask(executorPreference: loop) {} }
                    }
                    let signal = DispatchSemaphore(value: 0)
                    Task(executorPreference: loop) { signal.signal() }
                    block(until: signal)
                }
                for _ in 0..<count { try await calls.connected.send([1]) }
                try await group.waitForAll()
            }
        }
        await context.shutdown()
    }

    /// The same when no other thread has been needed before.
    @Test(arguments: [2, 4]) func theFirstJobOfALoopMayBlock(_ jobThreads: Int) async throws {
        for _ in 0..<20 {
            let context = try SocketContext(jobThreads: jobThreads)
            let loop = context.loop
            try await Task(executorPreference: loop) {
                let signal = DispatchSemaphore(value: 0)
                Task(executorPreference: loop) { signal.signal() }
                block(until: signal)
                let pair = try SocketPair(.pull, .push, over: .ipc, in: context)
                try pair.bound.deliver { batch in for _ in 0..<batch.count { signal.signal() } }
                try await pair.connected.send([1])
                block(until: signal)
            }.value
            await context.shutdown()
        }
    }

    /// What is promised for later, when some of many jobs have run, is done when none of them ends, too.
    @Test func jobsThatBlockHoldUpNoPromise() async throws {
        let context = try SocketContext(jobThreads: 2)
        let loop = context.loop
        for round in 0..<40 {
            if round == 20 { await runShortJobs(on: loop) }
            let signal = DispatchSemaphore(value: 0)
            let mayBegin = DispatchSemaphore(value: 0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<12 {
                    group.addTask(executorPreference: loop) {
                        if number == 0 {
                            block(until: mayBegin)
                            // Many wait for their turn by now.
                            if !loop.deferred({ for _ in 0..<12 { signal.signal() } }) { Issue.record("no promise") }
                        }
                        block(until: signal)
                    }
                }
                mayBegin.signal()
                try await group.waitForAll()
            }
        }
        await context.shutdown()
    }

    @Test func threadsAreStartedWhenTheyAreWanted() async {
        // In a process of its own, since other tests start threads too.
        await #expect(processExitsWith: .success) {
            func threadCount(_ name: String) throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count { thread in
                    let comm = try? String(contentsOfFile: "/proc/self/task/\(thread)/comm", encoding: .utf8)
                    return comm == "\(name)\n"
                }
            }
            let contexts = try (0..<3).map { _ in try SocketContext(jobThreads: 3) }
            for context in contexts {
                let pair = try SocketPair(.pull, .push, over: .ipc, in: context)
                let receiving = Task(executorPreference: context.loop) { Array(try await pair.bound.receive()) }
                try await pair.connected.send([1])
                #expect(try await receiving.value == [1])
            }
            // One for each; others where a job has come while it was busy, or has taken long.
            #expect(try (3...12).contains(threadCount("zproc-io")))
            let (begun, mayEnd) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<9 {
                    group.addTask(executorPreference: contexts[0].loop) {
                        begun.signal()
                        block(until: mayEnd)
                    }
                }
                // As many at once as there are job threads; and one more thread is there for the sockets.
                for _ in 0..<3 { block(until: begun) }
                // Those who are just being started still have another name.
                #expect(try await eventually { try threadCount("zproc-io") >= 6 })
                #expect(!isSignalled(begun))
                for _ in 0..<9 { mayEnd.signal() }
                try await group.waitForAll()
            }
            #expect(try await eventually { try threadCount("zproc-watch") == 1 })
            for context in contexts { await context.shutdown() }
        }
    }

    @Test func waitingBlocksNoThreadOfThePool() async throws {
        // More waits than any pool has threads; the pool must still run everything else.
        let context = try SocketContext()
        let pairs = try (0..<100).map { _ in try SocketPair(.pull, .push, in: context) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for pair in pairs { group.addTask { _ = try await pair.bound.receive() } }
            for _ in 0..<100 {
                group.addTask { for _ in 0..<100 { await Task.yield() } }
            }
            for _ in 0..<100 { try await group.next() }  // only the others can have ended
            for pair in pairs { try await pair.connected.send([1]) }
            try await group.waitForAll()
        }
    }

    @Test func nothingIsLeftAfterManyContexts() async {
        // In a process of its own, since other tests open descriptors and threads too.
        await #expect(processExitsWith: .success) {
            func openAndClose() async throws {
                var events: MonitorEvents?
                let pair = try SocketPair(.router, .dealer, over: .ipc) { router, _ in events = try router.monitor() }
                try await pair.connected.send([1])
                _ = try await pair.bound.receiveMultipart()
                _ = await events?.next()
                await pair.context.shutdown()
            }
            func dropped() async throws {
                let pair = try SocketPair(.pull, .push, over: .tcp)
                try await pair.connected.send([1])
                _ = try await pair.bound.receive()
            }
            func entries(_ path: String) -> Int {
                guard let folder = opendir(path) else { return -1 }
                defer { closedir(folder) }
                var count = 0
                while readdir(folder) != nil { count += 1 }
                return count
            }
            try await openAndClose()
            try await dropped()
            var descriptors = 0
            var threads = 0
            // Threads end in their own time.
            _ = try await eventually {
                (descriptors, threads) = (entries("/proc/self/fd"), entries("/proc/self/task"))
                return threads <= 6
            }
            for _ in 0..<50 {
                try await openAndClose()
                try await dropped()
            }
            let isClean = try await eventually {
                entries("/proc/self/fd") <= descriptors && entries("/proc/self/task") <= threads
            }
            #expect(isClean, "\(descriptors) → \(entries("/proc/self/fd")), \(threads) → \(entries("/proc/self/task"))")
        }
    }
}

/// Runs short jobs until one thread runs them alone.
func runShortJobs(on loop: SocketLoop) async {
    for _ in 0..<1_000 where !loop.isNarrow {
        await withTaskExecutorPreference(loop) { for _ in 0..<600 { await Task.yield() } }
    }
    #expect(loop.isNarrow, "several threads run short jobs")
}

/// Blocks the thread.
func block(until signal: DispatchSemaphore) { signal.wait() }

/// Whether a signal was there, which is then taken.
private func isSignalled(_ signal: DispatchSemaphore) -> Bool { signal.wait(timeout: .now()) == .success }
