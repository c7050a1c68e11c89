// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization
import Testing
import ZeroMQ

/// Work of which more may come to be at any time, on the threads of a loop.
@Suite(.timeLimit(.minutes(5)))
struct LoopWorkTests {
    /// Things to do, in the order they are put.
    final class Things: Sendable {
        private let waiting = Mutex<[@Sendable () -> Void]>([])
        let loop: SocketLoop
        /// How many have been begun, in each turn.
        let begun = Shared<[Int]>([])

        init(_ loop: SocketLoop) { self.loop = loop }

        func put(_ things: [@Sendable () -> Void]) {
            let areFirst = waiting.withLock { waiting in
                defer { waiting += things }
                return waiting.isEmpty
            }
            if areFirst { loop.enqueue { [self] turn in doNext(turn) } }
        }

        private func take() -> (thing: (@Sendable () -> Void)?, isLast: Bool) {
            waiting.withLock { ($0.isEmpty ? nil : $0.removeFirst(), $0.isEmpty) }
        }

        private func doNext(_ turn: LoopTurn) -> Int {
            let (first, isLast) = take()
            guard let first else { return 0 }
            if !isLast { turn.othersWait() }
            first()
            var count = 1
            while count < turn.most, !turn.isOver, let next = take().thing {
                next()
                count += 1
            }
            begun.update { $0.append(count) }
            return count
        }
    }

    /// Each thing is done once, and by one thread in order; whoever comes later is found, too.
    @Test(arguments: [1, 2, 4], [false, true])
    func everythingIsDone(_ jobThreads: Int, _ afterShortOnes: Bool) async throws {
        let loop = try SocketLoop(jobThreads: jobThreads)
        if afterShortOnes { await runShortJobs(on: loop) }
        let things = Things(loop)
        let done = Shared<[Int]>([])
        for round in 0..<50 {
            let count = [1, 2, 7, 130, 500][round % 5]
            let all = DispatchSemaphore(value: 0)
            let first = done.value.count
            things.put(
                (0..<count).map { number in
                    {
                        done.update { $0.append(first + number) }
                        all.signal()
                    }
                }
            )
            await blockElsewhere { for _ in 0..<count { all.wait() } }
        }
        #expect(done.value.sorted() == Array(0..<done.value.count))
        if jobThreads == 1 { #expect(done.value == Array(0..<done.value.count)) }
        #expect(things.begun.value.allSatisfy { $0 <= 16 })
    }

    /// Nobody but the work holds the loop when it ends: that is let go where no lock is held.
    @Test(arguments: [1, 2], [false, true])
    func workMayHoldTheLoop(_ jobThreads: Int, _ doOthersWait: Bool) async throws {
        for _ in 0..<200 {
            let all = DispatchSemaphore(value: 0), count = doOthersWait ? 40 : 1
            Things(try SocketLoop(jobThreads: jobThreads)).put(Array(repeating: { all.signal() }, count: count))
            await blockElsewhere { for _ in 0..<count { all.wait() } }
        }
    }

    /// What waits behind a thing that takes long is done by other threads, as long as there are some.
    @Test(arguments: [2, 4], [false, true])
    func whatBlocksHoldsUpNothingElse(_ jobThreads: Int, _ afterShortOnes: Bool) async throws {
        let loop = try SocketLoop(jobThreads: jobThreads)
        let things = Things(loop)
        for _ in 0..<20 {
            if afterShortOnes { await runShortJobs(on: loop) }
            let others = DispatchSemaphore(value: 0), all = DispatchSemaphore(value: 0)
            let blocked = [0, 3, 17].prefix(jobThreads - 1), count = 40
            things.put(
                (0..<count).map { number in
                    {
                        if blocked.contains(number) {
                            for _ in 0..<(count - blocked.count) { others.wait() }
                        } else {
                            for _ in blocked { others.signal() }
                        }
                        all.signal()
                    }
                }
            )
            await blockElsewhere { for _ in 0..<count { all.wait() } }
        }
    }

    /// What is promised for later while more waits is done when the thing after it takes long, too.
    @Test(arguments: [false, true]) func whatBlocksHoldsUpNoPromise(_ afterShortOnes: Bool) async throws {
        let loop = try SocketLoop(jobThreads: 2)
        let things = Things(loop)
        for _ in 0..<20 {
            if afterShortOnes { await runShortJobs(on: loop) }
            let kept = DispatchSemaphore(value: 0), all = DispatchSemaphore(value: 0)
            things.put([
                {
                    if !loop.deferred({ kept.signal() }) { Issue.record("no promise, though others wait") }
                    all.signal()
                },
                {
                    kept.wait()
                    all.signal()
                },
                { all.signal() },
            ])
            await blockElsewhere { for _ in 0..<3 { all.wait() } }
        }
    }
}

/// Waits for a body that blocks, on a thread of its own.
private func blockElsewhere(_ body: @escaping @Sendable () -> Void) async {
    await withUnsafeContinuation { continuation in
        DispatchQueue.global().async {
            body()
            continuation.resume()
        }
    }
}
