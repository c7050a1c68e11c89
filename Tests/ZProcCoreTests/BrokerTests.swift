// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProcCore

/// The rules by which work is handed out.
@Suite struct BrokerTests {
    // MARK: Jobs

    @Test(arguments: [0, 1, 2, 10, 1_000], [true, false])
    func aJobEndsWithAllItsItems(_ count: Int, _ isOrdered: Bool) {
        var shell = BrokerShell()
        for _ in 0..<3 { _ = shell.join() }
        var options = JobOptions()
        options.isOrdered = isOrdered
        options.count = count
        let job = shell.add(options, inputCount: count)
        shell.run()
        #expect(shell.jobs[job]?.end == .finished)
        #expect(shell.jobs[job]?.delivered.count == count)
    }

    @Test func workWaitsForWorkers() {
        var shell = BrokerShell()
        let job = shell.add(inputCount: 5)
        shell.run()
        #expect(shell.jobs[job]?.end == nil)
        _ = shell.join()
        shell.run()
        #expect(shell.jobs[job]?.end == .finished)
    }

    @Test func theFirstFailureEndsAJobAndCancelsTheRest() {
        var shell = BrokerShell()
        let first = shell.join(), second = shell.join()
        let job = shell.add(inputCount: 100)
        shell.supplyAll()
        guard let failed = shell.workers[first]?.chunks.first, let other = shell.workers[second]?.chunks.first else {
            Issue.record("nothing was handed out")
            return
        }
        shell.finishHead(of: first, .failed)
        #expect(shell.jobs[job]?.end == .failed(failed))
        #expect(shell.cancelled.contains(other))
        shell.run()
        #expect(shell.broker.waitingCount == 0)
        #expect(shell.broker.range(of: other) == nil)
    }

    @Test func whatAJobEndsOfIsTold() {
        var shell = BrokerShell()
        _ = shell.join()
        var hurried = JobOptions()
        hurried.deadline = .milliseconds(10)
        let jobs = [shell.add(inputCount: nil), shell.add(inputCount: nil), shell.add(hurried, inputCount: nil)]
        shell.carryOut(shell.broker.cancel(jobs[0], now: .zero))
        shell.carryOut(shell.broker.inputFailed(jobs[1], now: .zero))
        #expect(shell.broker.nextDeadline == .milliseconds(10))
        shell.carryOut(shell.broker.timePassed(now: .milliseconds(9)))
        #expect(shell.jobs[jobs[2]]?.end == nil)
        shell.carryOut(shell.broker.timePassed(now: .milliseconds(10)))
        #expect(jobs.map { shell.jobs[$0]?.end } == [.cancelled, .inputFailed, .timedOut])
        #expect(shell.broker.nextDeadline == nil)
    }

    // MARK: Order

    @Test func higherPrioritiesGoFirstAndEqualOnesTakeTurns() {
        var shell = BrokerShell()
        var options = JobOptions()
        options.chunkSize = 1
        let low = [shell.add(options, inputCount: 3), shell.add(options, inputCount: 3)]
        options.priority = 1
        let high = shell.add(options, inputCount: 2)
        shell.supplyAll()
        let worker = shell.join()
        var order: [JobID] = []
        while let chunk = shell.workers[worker]?.chunks.first, let job = shell.broker.job(of: chunk) {
            order.append(job)
            shell.finishHead(of: worker)
            shell.supplyAll()
        }
        // The second of the high ones was asked for when the first had gone; one of the low ones waited there by then.
        #expect(order.count == 8)
        #expect(order.prefix(3).filter { $0 == high }.count == 2)
        #expect(order.filter { $0 != high }.prefix(4) == [low[0], low[1], low[0], low[1]])
    }

    @Test func aConsumerThatDoesNotTakeStopsTheInput() {
        var shell = BrokerShell()
        _ = shell.join()
        var options = JobOptions()
        options.window = 10
        let job = shell.add(options, inputCount: nil)
        repeat { shell.supplyAll() } while shell.step()
        #expect(shell.jobs[job]?.supplied == 10)
        shell.consume(job, 3)
        repeat { shell.supplyAll() } while shell.step()
        #expect(shell.jobs[job]?.supplied == 13)
    }

    // MARK: Chunks and batches

    @Test func chunksGrowWithCheapItemsAndShrinkAtTheEnd() {
        var chunking = Chunking(fixed: nil, target: .milliseconds(10), limit: 65_536)
        var sizes: [Int] = []
        for _ in 0..<10 {
            let size = chunking.next(remaining: nil, workers: 2)
            sizes.append(size)
            chunking.measured(size, items: .microseconds(1) * size)
        }
        #expect(sizes == [1, 4, 16, 64, 256, 1_024, 4_096, 10_000, 10_000, 10_000])
        #expect(chunking.next(remaining: 8_000, workers: 2) == 2_000)
        #expect(chunking.next(remaining: 3_000, workers: 2) == 1_000)
        #expect(chunking.next(remaining: 1, workers: 2) == 1)
        #expect(chunking.next(remaining: -5, workers: 2) == 1)
        chunking.bound(7)
        #expect(chunking.next(remaining: nil, workers: 2) == 7)
        // One that was large is no reason for small ones for ever.
        for _ in 0..<200 { chunking.measured(7, items: .microseconds(7)) }
        #expect(chunking.next(remaining: nil, workers: 2) == 10_000)
        chunking.measured(1, items: .seconds(100))
        #expect(chunking.next(remaining: nil, workers: 2) == 1)
        let fixed = Chunking(fixed: 5, target: .milliseconds(10), limit: 65_536)
        #expect(fixed.next(remaining: 3, workers: 8) == 5)
    }

    @Test(arguments: [nil, .max, -1]) func oddNumbersAreBorne(_ count: Int?) {
        for window in [nil, Int.max, -1] {
            var shell = BrokerShell()
            for _ in 0..<8 { _ = shell.join() }
            var options = JobOptions()
            options.chunkSize = .max
            options.window = window
            options.count = count
            options.itemTimeout = .seconds(3_000_000_000)
            let job = shell.add(options, inputCount: 100)
            shell.run()
            #expect(shell.jobs[job]?.end == .finished)
        }
    }

    @Test func aReportCountsOnlyFromWhoHasTheChunk() {
        var shell = BrokerShell()
        let first = shell.join(), job = shell.add(inputCount: 1)
        shell.supplyAll()
        guard let chunk = shell.workers[first]?.chunks.first else {
            Issue.record("nothing was handed out")
            return
        }
        #expect(shell.broker.assignment(chunk, of: first)?.items == 0..<1)
        shell.workers[first]?.chunks = []
        shell.carryOut(shell.broker.retire(first, force: true, now: .zero))
        #expect(shell.broker.assignment(chunk, of: first) == nil)
        let second = shell.join()
        #expect(shell.broker.assignment(chunk, of: second)?.items == 0..<1)
        let late = FinishedChunk(chunk, .failed, runTime: .zero)
        shell.carryOut(shell.broker.finished(first, [late], now: .zero))
        #expect(shell.jobs[job]?.end == nil)
        shell.run()
        #expect(shell.jobs[job]?.end == .finished)
        #expect(shell.broker.assignment(chunk, of: second) == nil)
    }

    @Test func cheapTasksGoTogether() {
        var shell = BrokerShell()
        shell.cost = { _ in .microseconds(5) }
        for _ in 0..<2 { _ = shell.join() }
        var options = JobOptions()
        options.isTask = true
        options.count = 1
        let jobs = (0..<10_000).map { _ in shell.add(options, inputCount: 1) }
        shell.run()
        #expect(jobs.allSatisfy { shell.jobs[$0]?.end == .finished })
        #expect(shell.messageCount < 200)
        #expect(shell.largestBatch <= BrokerLimits().batchSize)
        // Dear ones go alone.
        shell.cost = { _ in .seconds(1) }
        shell.messageCount = 0
        for _ in 0..<20 { _ = shell.add(options, inputCount: 1) }
        shell.run()
        for _ in 0..<20 { _ = shell.add(options, inputCount: 1) }
        shell.run()
        #expect(shell.messageCount >= 30)
    }

    @Test(arguments: [2, 8], [false, true])
    func workersEndTogether(_ workerCount: Int, _ isUneven: Bool) {
        var random = SeededNumbers.announced("costs")
        let costs = (0..<2_000).map { _ -> Duration in
            if !isUneven { return .milliseconds(1) }
            // A power law with a mean of about 1 ms.
            let draw = Double.random(in: 0.0001...1, using: &random)
            return .milliseconds(min(50, 0.4 / draw.squareRoot() / draw.squareRoot().squareRoot()))
        }
        var shell = BrokerShell()
        shell.cost = { costs[$0] }
        shell.handOver = .microseconds(100)
        for _ in 0..<workerCount { _ = shell.join() }
        var options = JobOptions()
        options.count = costs.count
        let job = shell.add(options, inputCount: costs.count)
        shell.run()
        #expect(shell.jobs[job]?.end == .finished)
        let ideal = costs.reduce(Duration.zero, +) / workerCount
        // Nobody can help that the dearest item comes last, and a chunk is not taken back when it turns out that several
        // dear ones are in it: about one run in 10,000 ends with such a chunk.
        let dearest = max(costs.max() ?? .zero, shell.lastTime)
        let bound = ideal / 0.9 + (isUneven ? dearest : .zero)
        #expect(shell.now <= bound, "\(ideal / shell.now) of ideal")
        if workerCount == 2 { #expect(ideal / shell.now > 0.9) }
    }

    /// What is known to be cheap waits for nobody whose item may take long.
    @Test func nothingWaitsBehindWhatMayTakeLong() {
        var shell = BrokerShell()
        // Items of the first job take an hour, which is not known before one is done.
        shell.cost = { _ in .seconds(3_600) }
        let long = shell.join()
        _ = shell.add(inputCount: 1)
        shell.supplyAll()
        #expect(shell.workers[long]?.chunks.count == 1)
        shell.cost = { _ in .milliseconds(1) }
        let short = shell.join()
        let job = shell.add(inputCount: 100)
        for _ in 0..<1_000 where shell.jobs[job]?.end == nil {
            shell.supplyAll()
            shell.consumeAll()
            #expect(shell.workers[long]?.chunks.count == 1)
            shell.finishHead(of: short)
        }
        #expect(shell.jobs[job]?.end == .finished)
    }

    @Test func manyCheapItemsMakeFewChunks() {
        var shell = BrokerShell()
        shell.cost = { _ in .nanoseconds(20) }
        for _ in 0..<2 { _ = shell.join() }
        var options = JobOptions()
        options.count = 1_000_000
        let job = shell.add(options, inputCount: 1_000_000)
        shell.run()
        #expect(shell.jobs[job]?.end == .finished)
        #expect(shell.chunkCount < 200)
    }

    @Test(arguments: [true, false]) func whatIsTooLargeGoesInHalves(_ isOrdered: Bool) {
        var shell = BrokerShell()
        var options = JobOptions()
        options.isOrdered = isOrdered
        options.chunkSize = 16
        let worker = shell.join()
        let job = shell.add(options, inputCount: 64)
        for _ in 0..<100 where shell.jobs[job]?.end == nil {
            shell.supplyAll()
            shell.consumeAll()
            let size = shell.workers[worker]?.chunks.first.flatMap { shell.broker.range(of: $0)?.count } ?? 0
            shell.finishHead(of: worker, size > 4 ? .tooLarge : .succeeded)
        }
        #expect(shell.jobs[job]?.end == .finished)
        #expect(shell.jobs[job]?.delivered.sorted() == Array(0..<64))
        // What follows is no larger than what went well.
        let second = shell.add(options, inputCount: 1)
        shell.supplyAll()
        guard let chunk = shell.workers[worker]?.chunks.first else { return }
        shell.finishHead(of: worker, .tooLarge)
        #expect(shell.jobs[second]?.end == .failed(chunk))
    }

    // MARK: Death

    @Test func aChunkThatEndsItsWorkersFailsAloneAndTheRestDoesNot() {
        var shell = BrokerShell()
        var options = JobOptions()
        options.chunkSize = 8
        let job = shell.add(options, inputCount: 64)
        shell.supplyAll()
        var deaths = 0
        while shell.jobs[job]?.end == nil, deaths < 20 {
            let worker = shell.workers.keys.first ?? shell.join()
            shell.supplyAll()
            shell.consumeAll()
            guard let chunk = shell.workers[worker]?.chunks.first else { break }
            // Item 21 does it.
            if shell.broker.range(of: chunk)?.contains(21) == true {
                deaths += 1
                shell.leave(worker)
            } else {
                shell.finishHead(of: worker)
            }
        }
        // Of the chunk and its halves, until it is alone, and then three; once more when others were with it at first.
        #expect((6...7).contains(deaths))
        #expect(shell.jobs[job]?.end == .finished)
        #expect(shell.jobs[job]?.lost == [21..<22])
        #expect(shell.jobs[job]?.delivered.count == 63)
    }

    @Test func whatWasNotAloneWhenAWorkerEndedIsGivenOutAlone() {
        var shell = BrokerShell()
        var options = JobOptions()
        options.chunkSize = 1
        options.maximumKills = 1
        let worker = shell.join()
        let job = shell.add(options, inputCount: 20)
        // Known to be cheap, so that chunks wait at the worker.
        for _ in 0..<3 {
            shell.supplyAll()
            shell.finishHead(of: worker)
        }
        shell.supplyAll()
        let suspects = shell.workers[worker]?.chunks ?? []
        #expect(suspects.count > 1)
        shell.leave(worker)
        #expect(shell.jobs[job]?.lost == [])
        let next = shell.join()
        for suspect in suspects {
            shell.supplyAll()
            #expect(shell.workers[next]?.chunks == [suspect])
            shell.finishHead(of: next)
        }
        shell.supplyAll()
        #expect((shell.workers[next]?.chunks.count ?? 0) > 1)
        shell.run()
        #expect(shell.jobs[job]?.end == .finished)
        #expect(shell.jobs[job]?.lost == [])
    }

    @Test func anItemHasItsTime() {
        var shell = BrokerShell()
        var options = JobOptions()
        options.itemTimeout = .milliseconds(10)
        options.chunkSize = 2
        let worker = shell.join()
        let job = shell.add(options, inputCount: 4)
        shell.supplyAll()
        #expect(shell.broker.nextDeadline == .milliseconds(20))
        shell.now = .milliseconds(20)
        shell.carryOut(shell.broker.timePassed(now: shell.now))
        #expect(shell.killed == [worker])
        #expect(shell.jobs[job]?.lost == [0..<2])
        _ = shell.join()
        shell.run()
        #expect(shell.jobs[job]?.end == .finished)
        #expect(shell.jobs[job]?.delivered == [2, 3])
    }

    /// What does not listen to being cancelled.
    @Test(arguments: [nil, Duration.seconds(60)])
    func anItemHasItsTimeAfterItsJobHasEnded(_ itemTimeout: Duration?) {
        var shell = BrokerShell()
        var options = JobOptions()
        options.itemTimeout = itemTimeout
        options.chunkSize = 1
        let worker = shell.join()
        let job = shell.add(options, inputCount: 4), other = shell.add(inputCount: 4)
        shell.supplyAll()
        shell.pass(to: .seconds(30))
        shell.carryOut(shell.broker.cancel(job, now: shell.now))
        let end: Duration = itemTimeout ?? shell.now + BrokerLimits().cancelGrace
        shell.pass(to: end - .milliseconds(1))
        #expect(shell.killed == [])
        shell.pass(to: end)
        #expect(shell.killed == [worker])
        _ = shell.join()
        shell.run()
        #expect(shell.jobs[other]?.end == .finished)
        #expect(shell.jobs[other]?.lost == [])
        #expect(shell.broker.nextDeadline == nil)
    }

    @Test func whatEndsWhenItIsCancelledCostsNoWorker() {
        var shell = BrokerShell()
        let worker = shell.join()
        let job = shell.add(inputCount: 100)
        for _ in 0..<3 {
            shell.supplyAll()
            shell.finishHead(of: worker)
        }
        shell.supplyAll()
        shell.carryOut(shell.broker.cancel(job, now: shell.now))
        shell.pass(to: shell.now + .seconds(9))
        while shell.workers[worker]?.chunks.isEmpty == false { shell.finishHead(of: worker) }
        shell.pass(to: shell.now + .seconds(1_000))
        #expect(shell.killed == [])
        #expect(shell.broker.nextDeadline == nil)
    }

    // MARK: Workers

    @Test func soManyWorkersAreStartedAsAreWanted() {
        var shell = BrokerShell()
        shell.carryOut(shell.broker.setWorkerCount(3, now: .zero))
        #expect(shell.starts == 3)
        let workers = (0..<3).map { _ in shell.join(isOwn: true) }
        shell.starts = 0
        shell.leave(workers[0])
        // It had done nothing: that may go on like this.
        #expect(shell.starts == 0)
        shell.pass(to: BrokerLimits().startPause)
        #expect(shell.starts == 1)
        _ = shell.join(isOwn: true)
        shell.carryOut(shell.broker.setWorkerCount(1, now: .zero))
        #expect(shell.retired.count == 2)
        #expect(shell.workers.count == 1)
        // Those that came by themselves are not replaced.
        let guest = shell.join()
        shell.starts = 0
        shell.leave(guest)
        #expect(shell.starts == 0)
    }

    @Test func aWorkerWithWorkIsLetGoWhenItIsDone() {
        var shell = BrokerShell()
        let workers = [shell.join(), shell.join()]
        let job = shell.add(inputCount: 10)
        shell.supplyAll()
        shell.carryOut(shell.broker.retire(workers[0], force: false, now: .zero))
        #expect(shell.retired.isEmpty)
        shell.finishHead(of: workers[0])
        #expect(shell.retired == [workers[0]])
        shell.workers[workers[1]]?.chunks = []
        shell.carryOut(shell.broker.retire(workers[1], force: true, now: .zero))
        _ = shell.join()
        shell.run()
        #expect(shell.jobs[job]?.end == .finished)
        #expect(shell.jobs[job]?.lost.isEmpty == true)
    }

    @Test func idleWorkersEndAndComeBack() {
        var limits = BrokerLimits()
        limits.idleLimit = .seconds(1)
        limits.minimumWorkers = 1
        var shell = BrokerShell(limits)
        shell.carryOut(shell.broker.setWorkerCount(2, now: .zero))
        let workers = [shell.join(isOwn: true), shell.join(isOwn: true)]
        shell.starts = 0
        shell.now = .seconds(1)
        shell.carryOut(shell.broker.timePassed(now: shell.now))
        #expect(shell.retired.count == 1)
        #expect(Set(shell.retired).isSubset(of: workers))
        #expect(shell.starts == 0)
        _ = shell.add(inputCount: 5)
        #expect(shell.starts == 1)
    }

    /// Its input may be slow.
    @Test func whileThereIsAJobWorkersStay() {
        var limits = BrokerLimits()
        limits.idleLimit = .seconds(1)
        var shell = BrokerShell(limits)
        shell.carryOut(shell.broker.setWorkerCount(1, now: .zero))
        _ = shell.join(isOwn: true)
        let job = shell.add(inputCount: 5)
        shell.now = .seconds(100)
        shell.carryOut(shell.broker.timePassed(now: shell.now))
        #expect(shell.retired.isEmpty)
        shell.run()
        #expect(shell.jobs[job]?.end == .finished)
        shell.carryOut(shell.broker.timePassed(now: shell.now + .milliseconds(999)))
        #expect(shell.retired.isEmpty)
        shell.carryOut(shell.broker.timePassed(now: shell.now + .seconds(1)))
        #expect(shell.retired.count == 1)
    }

    @Test func aWorkerIsReplacedAfterSoManyItems() {
        var limits = BrokerLimits()
        limits.itemsPerWorker = 10
        var shell = BrokerShell(limits)
        shell.carryOut(shell.broker.setWorkerCount(1, now: .zero))
        var options = JobOptions()
        options.chunkSize = 5
        let job = shell.add(options, inputCount: 100)
        while shell.jobs[job]?.end == nil, shell.starts > 0 {
            shell.starts -= 1
            _ = shell.join(isOwn: true)
            shell.run()
        }
        #expect(shell.jobs[job]?.end == .finished)
        #expect((6...10).contains(shell.retired.count))
    }

    @Test func withoutAnyWorkerJobsFail() {
        var shell = BrokerShell()
        shell.carryOut(shell.broker.setWorkerCount(2, now: .zero))
        let job = shell.add(inputCount: 5)
        var failures = 0
        while failures < 100 {
            while shell.starts > 0 {
                shell.failToStart()
                failures += 1
            }
            guard let time = shell.broker.nextDeadline else { break }
            shell.pass(to: time)
        }
        #expect(shell.jobs[job]?.end == .noWorkers)
        // Two at first, then one at a time.
        #expect(failures == 6)
        #expect(shell.jobs[shell.add(inputCount: 5)]?.end == .noWorkers)
        shell.carryOut(shell.broker.setWorkerCount(2, now: shell.now))
        #expect(shell.starts == 2)
    }

    @Test func noWorkersIsNotSaidWhileSomeStart() {
        var shell = BrokerShell()
        shell.carryOut(shell.broker.setWorkerCount(8, now: .zero))
        let job = shell.add(inputCount: 5)
        for _ in 0..<7 {
            shell.now += .seconds(1)
            shell.failToStart()
        }
        #expect(shell.jobs[job]?.end == nil)
        _ = shell.join(isOwn: true)
        shell.run()
        #expect(shell.jobs[job]?.end == .finished)
    }

    /// What a thread has seen a moment ago may be told after what another has seen since.
    @Test func aFailureThatIsToldLateIsNoReasonToStartNobody() throws {
        var shell = BrokerShell()
        shell.carryOut(shell.broker.setWorkerCount(2, now: .zero))
        shell.failToStart()
        // The pause is over, and the other one is still about to start.
        let time = try #require(shell.broker.nextDeadline)
        shell.pass(to: time)
        #expect(shell.starts == 1)
        shell.now = time - .milliseconds(1)
        shell.failToStart()
        shell.pass(to: try #require(shell.broker.nextDeadline))
        #expect(shell.starts == 1)
    }

    /// One of two works, the other never begins.
    @Test func startsThatFailAreTriedAgainLessAndLessOften() {
        var shell = BrokerShell()
        shell.carryOut(shell.broker.setWorkerCount(2, now: .zero))
        _ = shell.join(isOwn: true)
        shell.starts = 1
        let job = shell.add(inputCount: 100_000)
        var times: [Duration] = []
        while shell.now < .seconds(60) {
            shell.supplyAll()
            shell.consumeAll()
            while shell.starts > 0 {
                times.append(shell.now)
                shell.failToStart()
            }
            // The other one goes on meanwhile, which is no reason to start this one sooner.
            guard shell.step() else { break }
            shell.pass(to: shell.now)
        }
        #expect(shell.jobs[job]?.end == nil)
        #expect((10...30).contains(times.count), "\(times)")
        let pauses = zip(times, times.dropFirst()).map { $1 - $0 }
        #expect(pauses.allSatisfy { $0 >= .milliseconds(20) && $0 < .seconds(6) })
        #expect((pauses.last ?? .zero) >= .seconds(5))
        // When it begins after all, the pauses are forgotten.
        while shell.starts == 0, shell.step() { shell.pass(to: shell.now); shell.supplyAll(); shell.consumeAll() }
        shell.starts = 0
        let late = shell.join(isOwn: true)
        shell.supplyAll()
        shell.finishHead(of: late)
        shell.leave(late)
        #expect(shell.starts == 1)
    }
}
