// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProcCore

/// Everything that can happen to a broker, in any order; the shell checks what must hold.
@Suite struct RandomBrokerTests {
    /// `ZPROC_SEED` repeats a run.
    @Test func whateverHappensNothingIsLostOrDoneTwice() {
        var random = SeededNumbers.announced("random broker")
        var ends: [String: Int] = [:]
        for _ in 0..<60 { run(&random, &ends) }
        print("jobs ended: \(ends)")
        for end in ["finished", "failed", "cancelled", "timedOut", "inputFailed"] { #expect(ends[end, default: 0] > 0) }
    }

    private func run(_ random: inout SeededNumbers, _ ends: inout [String: Int]) {
        var limits = BrokerLimits()
        limits.idleLimit = Bool.random(using: &random) ? .milliseconds(20) : nil
        limits.minimumWorkers = Int.random(in: 0...1, using: &random)
        limits.itemsPerWorker = Bool.random(using: &random) ? 50 : nil
        limits.maximumStartFailures = 1_000_000
        limits.cancelGrace = .milliseconds(Bool.random(using: &random) ? 5 : 10_000)
        var shell = BrokerShell(limits)
        let unit = Int.random(in: 1...2_000, using: &random)
        shell.cost = { .microseconds($0 % 7 * unit) }
        shell.carryOut(shell.broker.setWorkerCount(3, now: .zero))
        for _ in 0..<400 {
            happen(&shell, &random)
            shell.check()
        }
        // From now on everything works, and everything ends.
        shell.carryOut(shell.broker.setWorkerCount(2, now: shell.now))
        for (id, job) in shell.jobs where job.inputCount == nil && job.end == nil {
            shell.carryOut(shell.broker.cancel(id, now: shell.now))
        }
        for _ in 0..<100 where shell.jobs.values.contains(where: { $0.end == nil }) {
            while shell.starts > 0 {
                shell.starts -= 1
                _ = shell.join(isOwn: true)
            }
            shell.run()
        }
        for (id, job) in shell.jobs {
            #expect(job.end != nil, "job \(id.number) has not ended: \(job)")
            if let end = job.end { ends["\(end)".prefix { $0 != "(" }.description, default: 0] += 1 }
        }
        #expect(shell.broker.waitingCount == 0)
        #expect(shell.broker.jobCount == 0)
    }

    private func happen(_ shell: inout BrokerShell, _ random: inout SeededNumbers) {
        let open = shell.jobs.filter { $0.value.end == nil }.map(\.key).sorted { $0.number < $1.number }
        let workers = shell.workers.keys.sorted { $0.number < $1.number }
        let busy = workers.filter { shell.workers[$0]?.chunks.isEmpty == false }
        shell.now += .microseconds(Int.random(in: 0...300, using: &random))
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<8 where open.count < 8: _ = shell.add(options(&random, shell.now), inputCount: inputCount(&random))
        case 8..<14 where shell.starts > 0:
            shell.starts -= 1
            _ = shell.join(isOwn: true)
        case 14 where shell.starts > 0: shell.failToStart()
        case 15 where workers.count < 6: _ = shell.join()
        case 16..<18: if let id = workers.randomElement(using: &random) { shell.leave(id) }
        case 18:
            if let id = workers.randomElement(using: &random) {
                let isForced = Bool.random(using: &random)
                if isForced { shell.workers[id]?.chunks = [] }
                shell.carryOut(shell.broker.retire(id, force: isForced, now: shell.now))
            }
        case 19:
            if let id = open.randomElement(using: &random) { shell.carryOut(shell.broker.cancel(id, now: shell.now)) }
        case 20:
            if let id = open.randomElement(using: &random), shell.pulls.contains(where: { $0.0 == id }) {
                shell.pulls.removeAll { $0.0 == id }
                shell.carryOut(shell.broker.inputFailed(id, now: shell.now))
            }
        case 21:
            if let id = busy.randomElement(using: &random) {
                shell.finishHead(of: id, .failed, count: .random(in: 1...3, using: &random))
            }
        case 22: shell.carryOut(shell.broker.setWorkerCount(.random(in: 0...5, using: &random), now: shell.now))
        case 23..<30: shell.carryOut(shell.broker.timePassed(now: shell.now))
        case 30..<35:
            if let id = open.randomElement(using: &random) { shell.consume(id, .random(in: 1...20, using: &random)) }
        case 35..<65:
            if !shell.pulls.isEmpty {
                let index = Int.random(in: 0..<shell.pulls.count, using: &random)
                shell.supply(index, short: Int.random(in: 0..<4, using: &random) == 0 ? 1 : nil)
            }
        case 65..<68: tellAgain(&shell, &random, workers)
        default:
            if let id = busy.randomElement(using: &random) {
                shell.finishHead(of: id, count: .random(in: 1...3, using: &random))
            }
        }
    }

    /// What is told of what is gone, or of what somebody else has, changes nothing.
    private func tellAgain(_ shell: inout BrokerShell, _ random: inout SeededNumbers, _ workers: [WorkerID]) {
        let worker = workers.randomElement(using: &random) ?? WorkerID(9_999)
        #expect(shell.broker.job(of: ChunkID(0)) == nil && shell.broker.range(of: ChunkID(0)) == nil)
        guard let chunk = shell.done.randomElement(using: &random),
            shell.workers[worker]?.chunks.contains(chunk) != true
        else { return }
        #expect(shell.broker.assignment(chunk, of: worker) == nil)
        let again = FinishedChunk(chunk, .succeeded, runTime: .zero)
        #expect(shell.broker.finished(worker, [again], now: shell.now) == [])
    }

    private func inputCount(_ random: inout SeededNumbers) -> Int? {
        Int.random(in: 0..<8, using: &random) == 0 ? nil : Int.random(in: 0...200, using: &random)
    }

    private func options(_ random: inout SeededNumbers, _ now: Duration) -> JobOptions {
        var options = JobOptions()
        options.priority = .random(in: 0...2, using: &random)
        options.isOrdered = .random(using: &random)
        options.chunkSize = Bool.random(using: &random) ? .random(in: 1...20, using: &random) : nil
        options.maximumKills = .random(in: 1...3, using: &random)
        options.window = Bool.random(using: &random) ? .random(in: 1...50, using: &random) : nil
        let isShort = Int.random(in: 0..<10, using: &random) == 0
        options.itemTimeout = isShort ? .milliseconds(5) : nil
        options.deadline = Int.random(in: 0..<10, using: &random) == 0 ? now + .milliseconds(10) : nil
        options.isTask = Int.random(in: 0..<4, using: &random) == 0
        return options
    }
}
