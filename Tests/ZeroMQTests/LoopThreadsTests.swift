// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZeroMQ

/// Who of a loop's threads does what: decided without a thread.
@Suite struct LoopThreadsTests {
    /// Whatever comes in whatever order, and whoever blocks: nothing is left lying, and all threads end.
    @Test(arguments: [1, 2, 3, 8]) func nothingIsLeftLying(_ most: Int) {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for round in 0..<300 {
            var machine = Machine(most: most, seed: generator.next())
            machine.live(steps: Int.random(in: 1...600, using: &generator))
            machine.settle()
            let place = "seed \(seed), round \(round): \(machine.description)"
            #expect(machine.blocked >= most || machine.jobs.isEmpty, "\(place)")
            #expect(machine.isServiceBlocked || machine.messages == 0 && !machine.hasPokes, "\(place)")
            #expect(machine.isServiceBlocked && machine.blocked == most || !machine.hasDeferred, "\(place)")
            #expect(machine.threads.hasLeader, "\(place)")
            // What is left of a turn that blocks is somebody else's, if there is one.
            #expect(machine.turns.isEmpty || most == 1, "\(place)")
            // Who is held needs no watch as long as the others have nothing to do.
            #expect(!machine.isOnWatch || !machine.jobs.isEmpty || machine.isServiceBlocked, "\(place)")
            machine.release()
            machine.settle()
            #expect(machine.jobs.isEmpty && !machine.isOnWatch && machine.threads.active == 0, "\(place)")
            machine.stop()
            machine.settle()
            #expect(machine.living == 0 && machine.jobs.isEmpty, "\(place)")
            #expect(machine.violations.isEmpty, "\(place): \(machine.violations)")
            if !machine.violations.isEmpty { return }
        }
    }

    /// While jobs are short one thread does everything, however many come.
    @Test func oneThreadRunsShortJobs() {
        var machine = Machine(most: 4, seed: 1, isChaotic: false)
        machine.messages = 20
        machine.settle()
        #expect(machine.living > 1)
        machine.pace = true
        for _ in 0..<5 { machine.addJob() }
        machine.settle()
        #expect(machine.threads.isNarrow)
        machine.mostActive = 0
        for _ in 0..<50 {
            machine.messages = 30
            for _ in 0..<10 { machine.addJob() }
            machine.settle()
        }
        #expect(machine.mostActive == 1)
        #expect(machine.begunJobs == 20 + 5 + 50 * 40)
    }

    /// Nobody has to wait for a look when nothing is being done.
    @Test func whoSleepsIsCalledAtOnce() {
        var machine = Machine(most: 2, seed: 1, isChaotic: false)
        machine.pace = true
        for number in 1...10 {
            machine.addJob()
            machine.run()
            #expect(machine.begunJobs == number)
        }
        #expect(machine.threads.isNarrow && machine.living <= 2)
    }

    /// Who blocks is replaced; when that one blocks as well, all threads run what waits.
    @Test func allThreadsRunWhatWaitsBehindALongJob() {
        var machine = Machine(most: 4, seed: 1, isChaotic: false)
        machine.pace = true
        machine.addJob()
        machine.settle()
        #expect(machine.threads.isNarrow)
        machine.pace = nil
        for _ in 0..<10 { machine.addJob(.init(blocks: true)) }
        machine.run()
        #expect(machine.threads.running == 1)
        for _ in 0..<4 {
            machine.tick()
            machine.run()
        }
        #expect(machine.threads.running == 4)
        #expect(!machine.threads.isNarrow)
        // Nobody is left to run jobs, but the sockets are served.
        machine.messages = 3
        machine.settle()
        #expect(machine.messages == 0 && machine.jobs.count == 9)
    }

    /// The first look may come at once.
    @Test func nobodyIsHeldAtTheFirstLook() {
        var machine = Machine(most: 2, seed: 1, isChaotic: false)
        machine.pace = true
        machine.addJob()
        machine.settle()
        machine.addJob(.init(blocks: true))
        machine.run()
        machine.tick()
        #expect(machine.threads.held == 0)
        machine.tick()
        #expect(machine.threads.held == 1)
        // Another one waits for the sockets then, and nobody has to look.
        machine.settle()
        #expect(machine.threads.hasLeader && machine.threads.isNarrow && !machine.isOnWatch)
    }

    /// What is to be done after some of the jobs is done when these do not end, however much comes for the sockets.
    @Test(arguments: [true, false]) func jobsThatBlockHoldUpNoDeferral(_ areShort: Bool) {
        var machine = Machine(most: 2, seed: 1, isChaotic: false)
        machine.pace = areShort
        machine.addJob()
        machine.settle()
        machine.pace = nil
        for _ in 0..<6 { machine.addJob(.init(blocks: true)) }
        machine.settle()
        machine.leave()
        for _ in 0..<10 {
            machine.messages = 1
            machine.run()
        }
        #expect(!machine.hasDeferred)
    }

    /// Jobs that block for less than a look are not held, but few are done.
    @Test func allThreadsRunJobsOfWhichFewAreDone() {
        var machine = Machine(most: 3, seed: 1, isChaotic: false)
        machine.pace = true
        machine.addJob()
        machine.settle()
        machine.pace = nil
        for _ in 0..<100 { machine.addJob() }
        for _ in 0..<6 {
            // A job or two each millisecond.
            for _ in 0..<4 { machine.step() }
            machine.tick()
        }
        #expect(!machine.threads.isNarrow)
    }

    /// A thousand messages at once are no reason to call others; many more are.
    @Test func whatIsMadeOfManyMessagesIsNotLeftLying() {
        var machine = Machine(most: 2, seed: 1, isChaotic: false)
        machine.pace = true
        machine.addJob()
        machine.settle()
        machine.pace = nil
        machine.messages = 10_000
        for _ in 0..<3 {
            for _ in 0..<100 { machine.step() }
            machine.tick()
        }
        #expect(machine.threads.isNarrow && machine.begunJobs == 1)
        for _ in 0..<10 {
            for _ in 0..<100 { machine.step() }
            machine.tick()
        }
        #expect(machine.begunJobs > 1)
    }

    /// Sockets are looked at although jobs make jobs without end.
    @Test(arguments: [true, false]) func socketsTakeTurnsWithJobs(_ areShort: Bool) {
        var machine = Machine(most: 1, seed: 1, isChaotic: false)
        machine.pace = areShort
        machine.addJob(.init(makes: 1, isEndless: true))
        for _ in 0..<10 { machine.step() }
        machine.messages = 1
        for _ in 0..<20 where machine.messages > 0 {
            for _ in 0..<200 { machine.step() }
            machine.tick()
        }
        #expect(machine.messages == 0)
    }
}

/// A loop with its threads, of which a generator chooses the next to go on.
private struct Machine {
    struct Job {
        /// How many jobs it makes.
        var makes = 0
        /// Those make as many, too.
        var isEndless = false
        /// Until ``Machine/release()``.
        var blocks = false
        /// For so many looks.
        var looks = 0
        var defers = false
        /// How often it turns out to have been several.
        var signs = 0
    }

    private enum Doing {
        case arriving
        case running(Job)
        case serving(messages: Int, blocks: Bool)
        case acting, glancing
        case leading(isTimed: Bool)
        case idling, gone
    }

    private struct Thread {
        var place: Int?
        var doing = Doing.arriving
    }

    var threads: LoopThreads
    /// What a thread says of each job's length; nil for nothing.
    var pace: Bool?
    var messages = 0
    private(set) var jobs: [Job] = []
    private(set) var hasPokes = false
    private(set) var hasDeferred = false
    private(set) var isOnWatch = false
    private(set) var begunJobs = 0
    private(set) var violations: [String] = []
    var mostActive = 0
    private var states = [Thread()]
    private var signals = 0
    private var isWoken = false
    private var doBlock = true
    /// Who is at a job that may turn out to be several, and has not been held.
    private(set) var turns: [Int] = []
    private let isChaotic: Bool
    private var generator: SeededGenerator

    init(most: Int, seed: UInt64, isChaotic: Bool = true) {
        threads = LoopThreads(most: most)
        generator = SeededGenerator(seed: seed)
        self.isChaotic = isChaotic
    }

    private var work: LoopThreads.Work {
        .init(jobs: jobs.count, hasTurns: !turns.isEmpty, hasPokes: hasPokes, hasDeferred: hasDeferred)
    }

    var blocked: Int {
        states.count { if case .running(let job) = $0.doing { job.blocks && doBlock } else { false } }
    }

    /// Whether who serves the sockets waits for something.
    var isServiceBlocked: Bool {
        states.contains { if case .serving(_, let blocks) = $0.doing { blocks && doBlock } else { false } }
    }

    var living: Int { states.count { if case .gone = $0.doing { false } else { true } } }

    var description: String {
        let doing = states.map { state in
            switch state.doing {
            case .running(let job): job.blocks && doBlock ? "blocked" : "running for \(job.looks) looks"
            case .serving(let messages, let blocks): blocks && doBlock ? "blocked serving" : "serving \(messages)"
            case let other: "\(other)"
            }
        }
        return "\(doing), \(jobs.count) jobs, \(messages) messages, pokes \(hasPokes), deferred \(hasDeferred), "
            + "watched \(isOnWatch), narrow \(threads.isNarrow)"
    }

    // MARK: What comes from outside

    /// Lets everything happen in any order.
    mutating func live(steps: Int) {
        for _ in 0..<steps {
            switch Int.random(in: 0..<100, using: &generator) {
            case 0..<6: addJob(makeJob())
            case 6..<10: messages += Int.random(in: 1...20, using: &generator)
            case 10..<12:
                hasPokes = true
                if threads.wakeLeader() { isWoken = true }
            case 12..<14: if jobs.count >= 4 { leave() }
            case 14..<20: tick()
            case 20..<23: pace = [nil, true, true, false].randomElement(using: &generator) ?? nil
            default: step()
            }
        }
    }

    private mutating func makeJob() -> Job {
        var job = Job()
        switch Int.random(in: 0..<20, using: &generator) {
        case 0..<4: job.makes = Int.random(in: 1...4, using: &generator)
        case 4: job.blocks = true
        case 5..<7: job.looks = Int.random(in: 1...4, using: &generator)
        case 7..<9: job.defers = true
        case 9..<11:
            job.signs = Int.random(in: 1...4, using: &generator)
            job.blocks = Int.random(in: 0..<4, using: &generator) == 0
            job.defers = Bool.random(using: &generator)
        default: break
        }
        return job
    }

    mutating func addJob(_ job: Job = Job()) {
        jobs.append(job)
        obey(threads.jobCame(from: nil, work))
    }

    mutating func leave() {
        hasDeferred = true
        obey(threads.deferralCame())
    }

    /// Lets those go on that block.
    mutating func release() { doBlock = false }

    mutating func stop() {
        let (wakesLeader, idle) = threads.stop()
        if wakesLeader { isWoken = true }
        signals += idle
    }

    /// A millisecond passes.
    mutating func tick() {
        for index in states.indices {
            switch states[index].doing {
            case .leading(isTimed: true):
                threads.isLeaderAsleep = false
                states[index].doing = .arriving
            case .running(var job) where job.looks > 0:
                job.looks -= 1
                states[index].doing = .running(job)
            default: break
            }
        }
        guard isOnWatch else { return }
        let (goesOn, helper) = threads.look(work)
        isOnWatch = goesOn
        call(helper)
        // What is left of it is a job of its own.
        if let turn = turns.firstIndex(where: { index in states[index].place.map(threads.isHeld) == true }) {
            turns.remove(at: turn)
            addJob()
        }
        check()
    }

    /// Everybody goes on until nobody has for ten milliseconds.
    mutating func settle() {
        var quietTicks = 0
        while quietTicks < 10 {
            quietTicks = run() ? 0 : quietTicks + 1
            tick()
        }
    }

    /// Everybody goes on until all wait for something; false when they did before.
    @discardableResult mutating func run() -> Bool {
        guard step() else { return false }
        while step() {}
        return true
    }

    // MARK: Threads

    /// One of those who can goes on.
    @discardableResult mutating func step() -> Bool {
        guard let index = states.indices.filter(canGoOn).randomElement(using: &generator) else { return false }
        goOn(index)
        check()
        return true
    }

    private func canGoOn(_ index: Int) -> Bool {
        switch states[index].doing {
        case .arriving, .acting, .glancing: true
        case .serving(let messages, let blocks): messages > 0 || !(blocks && doBlock)
        case .running(let job): job.makes > 0 || job.signs > 0 || job.looks == 0 && !(job.blocks && doBlock)
        case .leading: messages > 0 || isWoken
        case .idling: signals > 0
        case .gone: false
        }
    }

    private mutating func goOn(_ index: Int) {
        switch states[index].doing {
        case .arriving: arrive(index)
        case .running(var job):
            if job.makes > 0 {
                job.makes -= 1
                states[index].doing = .running(job)
                jobs.append(job.isEndless ? Job(makes: 1, isEndless: true) : Job())
                obey(threads.jobCame(from: states[index].place, work))
                return
            }
            if job.signs > 0, let place = states[index].place {
                job.signs -= 1
                // Whoever knows that there is more of it puts off what is to be sent.
                let putsOff = job.defers && turns.contains(index)
                if putsOff { job.defers = false }
                states[index].doing = .running(job)
                let wasHeld = threads.isHeld(place), held = threads.held
                threads.hasDone(16, at: place, work)
                if threads.isHeld(place) || threads.held != held - (wasHeld ? 1 : 0) {
                    violations.append("who goes on is held")
                }
                if putsOff { leave() }
                return
            }
            if job.defers, jobs.count >= 4 { leave() }
            if let pace { threads.measured(areShort: pace) }
            states[index].doing = .arriving
        case .serving(let messages, let blocks):
            guard messages > 0 else { return states[index].doing = .arriving }
            states[index].doing = .serving(messages: messages - 1, blocks: blocks)
            jobs.append(isChaotic ? makeJob() : Job())
            obey(threads.jobCame(from: states[index].place, work))
        case .acting: states[index].doing = .arriving
        case .glancing, .leading:
            guard messages > 0 || isWoken else { return states[index].doing = .arriving }
            if let place = states[index].place, threads.beginsServing(at: place, work) { isOnWatch = true }
            let blocks = isChaotic && Int.random(in: 0..<40, using: &generator) == 0
            states[index].doing = .serving(messages: messages, blocks: blocks)
            (messages, isWoken) = (0, false)
        case .idling:
            signals -= 1
            states[index].doing = .arriving
        case .gone: break
        }
    }

    private mutating func arrive(_ index: Int) {
        let place = states[index].place ?? threads.enter()
        states[index].place = place
        turns.removeAll { $0 == index }
        let (step, orders) = threads.next(at: place, work)
        switch step {
        case .run:
            guard !jobs.isEmpty else { return violations.append("there is no job to run") }
            begunJobs += 1
            let job = jobs.removeFirst()
            states[index].doing = .running(job)
            if job.signs > 0, threads.isNarrow || threads.most == 1 { turns.append(index) }
        case .serve:
            hasPokes = false
            states[index].doing = .acting
        case .act:
            hasDeferred = false
            states[index].doing = .acting
        case .glance: states[index].doing = .glancing
        case .lead(let isTimed): states[index].doing = .leading(isTimed: isTimed)
        case .idle: states[index].doing = .idling
        case .stop: states[index].doing = .gone
        }
        obey(orders)
    }

    private mutating func obey(_ orders: LoopThreads.Orders) {
        call(orders.helper)
        guard orders.mustBeWatched else { return }
        if isOnWatch { violations.append("it is watched twice") }
        isOnWatch = true
    }

    private mutating func call(_ helper: LoopThreads.Helper) {
        switch helper {
        case .nobody: break
        case .follower: signals += 1
        case .leader: isWoken = true
        case .newcomer:
            // Sometimes the system has no thread left, for a while.
            if isChaotic, Int.random(in: 0..<4, using: &generator) == 0 {
                if threads.newcomerFailed() { isOnWatch = true }
            } else {
                states.append(Thread())
            }
        }
    }

    private mutating func check() {
        var running = 0, active = 0, leading = 0
        for state in states {
            switch state.doing {
            case .running: (running, active) = (running + 1, active + 1)
            case .serving, .acting, .glancing: active += 1
            case .leading: leading += 1
            case .arriving, .idling, .gone: break
            }
        }
        mostActive = max(mostActive, active)
        if running > threads.most { violations.append("\(running) jobs run at once") }
        let held = threads.held
        if held < 0 || held > threads.active { violations.append("\(held) are held, of \(threads.active)") }
        if leading > 1 { violations.append("\(leading) wait for the sockets") }
        if living > threads.most + 1 { violations.append("there are \(living) threads") }
        if threads.isWatched != isOnWatch { violations.append("it is thought to be watched: \(threads.isWatched)") }
    }
}
