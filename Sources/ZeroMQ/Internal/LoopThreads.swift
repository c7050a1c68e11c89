// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Decides who of the threads of a loop with job threads does what; `LoopCore+Threads.swift` has it done.
///
/// Leader and followers: one thread waits for the sockets; when it wakes, it serves them and then itself runs the job that
/// it has made runnable. So a task goes on on the very thread that the system woke for it. There is one thread more than
/// jobs run at once, hence always one that is free as long as the system has threads; each is started when it is wanted
/// first, since a process with little to do never needs more than one.
///
/// Most jobs are short, and then the leader is back before another thread could have taken its place; to wake one each time
/// would cost more than the job. So nobody waits for the sockets meanwhile, but while leaders leave, the process's
/// ``LoopWatch`` looks every millisecond: it calls a thread to wait for the sockets when the same job still runs. In the same
/// way, a job that one of the threads has made runnable is left to that thread, which is about to look for one, when it serves
/// the sockets or the loop is watched; another one is called when none has begun since the last look. A task that
/// goes to an actor and comes back stays on its thread.
///
/// Threads that run short jobs take turns with what all of them need: actors, counts of references, memory, the processors.
/// With another process to talk to, as is the rule here, one of them alone does more than several. So while jobs are short
/// (``JobPace`` finds that out) the loop is *narrow*: one thread runs them and sees to the sockets in between, and the others
/// idle. A thread that a look finds at what it was at when the last look came is *held*: another one takes over. Where that
/// one is held as well, or little is done for some looks while jobs wait, all threads run jobs until these have
/// turned out to be short again.
package struct LoopThreads {
    /// What a thread is to do.
    package enum Step: Equatable, Sendable {
        /// Run the job that has waited longest.
        case run
        /// Serve sockets that somebody has asked to be served.
        case serve
        /// Do what others have left for the loop to do.
        case act
        /// Serve the sockets if something has come, without waiting for it.
        case glance
        /// Wait for the sockets, and serve them; for a short time only when something must not wait for them.
        case lead(isTimed: Bool)
        /// Wait until it is called.
        case idle
        /// End.
        case stop
    }

    /// Who is to take a job, or to wait for the sockets.
    package enum Helper: Sendable {
        case nobody
        /// One that idles.
        case follower
        /// One that waits for the sockets.
        case leader
        /// One that has to be started.
        case newcomer
    }

    /// What else has to happen, by whoever has asked.
    package struct Orders: Sendable {
        package var helper = Helper.nobody
        /// Whether the watch has to look, until its look says otherwise.
        package var mustBeWatched = false
    }

    /// What is there to do.
    package struct Work: Sendable {
        package var jobs: Int
        /// Whether threads that are not held are at jobs which turn out to be many.
        package var hasTurns: Bool
        package var hasPokes: Bool
        /// Whether something has been left to be done after some of the jobs.
        package var hasDeferred: Bool

        package init(jobs: Int, hasTurns: Bool = false, hasPokes: Bool = false, hasDeferred: Bool = false) {
            self.jobs = jobs
            self.hasTurns = hasTurns
            self.hasPokes = hasPokes
            self.hasDeferred = hasDeferred
        }
    }

    private enum Activity { case none, running, serving, acting }

    private struct Place {
        var activity = Activity.none
        /// The number of that activity.
        var number: UInt64 = 0
        var isLeader = false
    }

    /// By what one can tell that a loop goes on.
    private struct Progress {
        var departures: UInt64 = 0
        var begun: UInt64 = 0
        var jobsBegun: UInt64 = 0
        /// Whether less than a millisecond may have passed since.
        var isFresh = false
    }

    /// How many run jobs at once at most.
    package let most: Int
    /// Threads there are or that are being started: one at first, and others when they are wanted.
    private var started = 1
    /// Threads asleep until they are called.
    private var idle = 0
    /// Threads that run a job.
    package private(set) var running = 0
    /// Threads that do something: run, serve or act.
    package private(set) var active = 0
    /// How many of these a look has found at what they were at when the look before came.
    package private(set) var held = 0
    /// The newest activity that may be one of those.
    private var newestHeld: UInt64 = 0
    /// Whether a thread waits for the sockets, or serves them.
    package private(set) var hasLeader = false
    /// Set before the leader sleeps, cleared by the one who wakes it, so that one signal wakes it once.
    package var isLeaderAsleep = false
    /// Whether it sleeps for a time only.
    private var isLeaderTimed = false
    /// Whether one thread is to run them all.
    private var areJobsShort = false
    /// Whether somebody has been called who has not come yet.
    private var isCalled = false
    package private(set) var isStopping = false
    /// Whether the watch looks.
    package private(set) var isWatched = false
    /// How many activities have begun, and how many of them were jobs.
    private var begun: UInt64 = 0
    private var jobsBegun: UInt64 = 0
    /// How many jobs had begun when somebody saw last that what is deferred has to wait.
    private var begunAtDeferral: UInt64?
    private var jobsSinceDeferral = 0
    private var jobsSinceGlance = 0
    /// Looks since a job began, while one waited, and looks at which few had.
    private var looksWithoutJob = 0
    private var slowLooks = 0
    /// Counts how often a look has found that jobs are not short: what threads have measured before means nothing then.
    package private(set) var epoch = 0
    /// How often a leader has left the sockets alone to run a job.
    private var departures: UInt64 = 0
    /// What was so at the last look.
    private var seen = Progress()
    private var places: [Place] = []

    package init(most: Int) { self.most = most }

    private static let jobsBeforeActions = 32
    /// The same for short ones; a look at which some wait is an end to it, too.
    private static let shortJobsBeforeActions = 128
    private static let jobsBeforeGlance = 256
    /// Fewer jobs between two looks are few.
    private static let fewJobs: UInt64 = 16
    /// So many looks tell that jobs are not short; a thousand messages at once take two or three.
    private static let looksToTell = 4

    /// Whether one thread does everything, but for those that are held.
    package var isNarrow: Bool { areJobsShort && !isStopping }
    /// Whether one more thread may run a job, or wait for the sockets.
    private var mayBegin: Bool { !isNarrow || active == held }

    // MARK: Threads

    /// Gives a thread that has been started its place.
    package mutating func enter() -> Int {
        places.append(Place())
        return places.count - 1
    }

    /// Says what the thread at `place`, which has done what it was told before, is to do next.
    package mutating func next(at place: Int, _ work: Work) -> (step: Step, orders: Orders) {
        isCalled = false
        let wasLeading = places[place].isLeader
        end(at: place)
        let step = choose(at: place, work)
        var orders = Orders()
        if step == .run {
            if wasLeading { departures &+= 1 }
            // For the others, besides the job that this thread is about to run.
            if !isNarrow, work.jobs > 1, running < most { orders.helper = summon() }
        }
        if isNarrow ? active > held : step == .run && !hasLeader { orders.mustBeWatched = wantsWatch() }
        return (step, orders)
    }

    /// The thread at `place` has woken, and is about to serve the sockets.
    ///
    /// - Returns: whether the watch has to look.
    package mutating func beginsServing(at place: Int, _ work: Work) -> Bool {
        isLeaderAsleep = false
        if places[place].activity == .none { begin(.serving, at: place) }
        // It may have been called for that.
        return work.jobs > 0 && wantsWatch()
    }

    /// The thread at `place` is at a job that has turned out to be so many, and is not held by one of them.
    package mutating func hasDone(_ count: Int, at place: Int, _ work: Work) {
        goesOn(at: place)
        jobsBegun &+= UInt64(count)
        jobsSinceGlance += count
        if work.hasDeferred { jobsSinceDeferral += count }
    }

    /// Whether a look has found the thread at `place` at what it was at when the look before came.
    package func isHeld(_ place: Int) -> Bool { places[place].activity != .none && places[place].number <= newestHeld }

    /// The jobs of a thread have turned out to be short, or not.
    package mutating func measured(areShort: Bool) { areJobsShort = areShort }

    /// A thread could not be started: it is tried again while it is wanted.
    ///
    /// - Returns: whether the watch has to look.
    package mutating func newcomerFailed() -> Bool {
        started -= 1
        isCalled = false
        return wantsWatch()
    }

    private mutating func begin(_ activity: Activity, at place: Int) {
        begun &+= 1
        active += 1
        if activity == .running {
            running += 1
            jobsBegun &+= 1
        }
        places[place].activity = activity
        places[place].number = begun
    }

    private mutating func end(at place: Int) {
        let ended = places[place]
        if ended.activity != .none {
            active -= 1
            if ended.activity == .running { running -= 1 }
            if ended.number <= newestHeld { held -= 1 }
        }
        if ended.isLeader { hasLeader = false }
        places[place] = Place()
    }

    /// What the thread at `place` does is not over, but it is not held.
    private mutating func goesOn(at place: Int) {
        if places[place].number <= newestHeld { held -= 1 }
        begun &+= 1
        places[place].number = begun
    }

    private mutating func choose(at place: Int, _ work: Work) -> Step {
        if work.hasPokes {
            begin(.serving, at: place)
            return .serve
        }
        if work.hasDeferred, mustAct(work) {
            begin(.acting, at: place)
            return .act
        }
        if work.jobs > 0, running < most, mayBegin {
            if isNarrow, jobsSinceGlance >= Self.jobsBeforeGlance, !hasLeader {
                lead(at: place)
                begin(.serving, at: place)
                return .glance
            }
            jobsSinceGlance += 1
            if work.hasDeferred { jobsSinceDeferral += 1 }
            begin(.running, at: place)
            return .run
        }
        if isStopping {
            started -= 1
            return .stop
        }
        if !hasLeader, mayBegin {
            lead(at: place)
            isLeaderAsleep = true
            // Jobs that all take long do not hold up what is deferred.
            isLeaderTimed = work.hasDeferred
            return .lead(isTimed: isLeaderTimed)
        }
        idle += 1
        return .idle
    }

    private mutating func lead(at place: Int) {
        hasLeader = true
        jobsSinceGlance = 0
        places[place].isLeader = true
    }

    /// Whether it is time for what is deferred; remembers when that was put off.
    private mutating func mustAct(_ work: Work) -> Bool {
        let areAllBusy = running >= most || !mayBegin, isHeldUp = areAllBusy && begunAtDeferral == jobsBegun
        let most = isNarrow ? Self.shortJobsBeforeActions : Self.jobsBeforeActions
        if work.jobs == 0 && !work.hasTurns || isHeldUp || jobsSinceDeferral >= most {
            jobsSinceDeferral = 0
            begunAtDeferral = nil
            return true
        }
        if areAllBusy { begunAtDeferral = jobsBegun }
        return false
    }

    // MARK: Work

    /// A job has come; `work` has it already.
    ///
    /// - Parameters:
    ///   - place: that of the calling thread if it is one of the loop's.
    ///   - work: what there is to do now.
    /// - Returns: who takes it, unless somebody will anyway.
    package mutating func jobCame(from place: Int?, _ work: Work) -> Orders {
        // There may be a thousand messages to make jobs of.
        if let place, places[place].activity == .serving { goesOn(at: place) }
        if isNarrow {
            // Who is at it takes it, or the watch has somebody do it.
            if active > held || isCalled { return Orders(mustBeWatched: wantsWatch()) }
        } else if let place, work.jobs == 1, isWatched || places[place].activity == .serving {
            return Orders(mustBeWatched: wantsWatch())
        }
        // When all job threads are busy, the first to end takes it.
        return Orders(helper: running < most ? summon() : .nobody)
    }

    /// Something has been left to be done after some of the jobs, which wait.
    package mutating func deferralCame() -> Orders {
        if isNarrow, active > held { return Orders(mustBeWatched: wantsWatch()) }
        // Who sleeps for ever would not look.
        guard isLeaderAsleep, !isLeaderTimed else { return Orders() }
        isLeaderAsleep = false
        return Orders(helper: .leader)
    }

    /// Somebody is to look at the sockets.
    ///
    /// - Returns: whether the leader has to be woken for it.
    package mutating func wakeLeader() -> Bool {
        defer { isLeaderAsleep = false }
        return isLeaderAsleep
    }

    /// Has all threads end when there are no jobs any more.
    ///
    /// - Returns: whether the leader has to be woken, and how many idle.
    package mutating func stop() -> (wakesLeader: Bool, idle: Int) {
        isStopping = true
        defer {
            isLeaderAsleep = false
            idle = 0
        }
        return (isLeaderAsleep, idle)
    }

    /// Chooses a thread that has nothing to do, or a new one.
    private mutating func summon() -> Helper {
        if isLeaderAsleep, isNarrow || idle == 0 {
            isLeaderAsleep = false
            isCalled = true
            return .leader
        }
        if idle > 0 {
            idle -= 1
            isCalled = true
            return .follower
        }
        // Whoever does nothing is about to look for what there is to do.
        guard active == started, started <= most else { return .nobody }
        started += 1
        isCalled = true
        return .newcomer
    }

    // MARK: Watching

    private mutating func wantsWatch() -> Bool {
        guard !isWatched else { return false }
        isWatched = true
        seen = progress
        seen.isFresh = true
        return true
    }

    private var progress: Progress { Progress(departures: departures, begun: begun, jobsBegun: jobsBegun) }

    /// Finds somebody to help when a leader stays away, or something is left lying.
    ///
    /// - Returns: whether to look again, and who has to be called.
    package mutating func look(_ work: Work) -> (goesOn: Bool, helper: Helper) {
        let last = seen
        seen = progress
        let hasLeft = last.departures != departures
        if !last.isFresh {
            newestHeld = last.begun
            held = places.count { $0.activity != .none && $0.number <= newestHeld }
            judge(jobsBegun &- last.jobsBegun, work)
        }
        let isDeserted = isNarrow ? !hasLeader && active == held : !hasLeader && !hasLeft && !isStopping
        let mayRun = work.jobs > 0 && running < most && mayBegin, mayAct = work.hasDeferred && mayBegin
        let isLeftLying = last.jobsBegun == jobsBegun && (mayRun || mayAct)
        // A leader who stays needs nobody, and a job that all are too busy for is taken by the first to be free.
        // What waits in a turn is no job, and has to be one when the turn's thread is held.
        isWatched =
            mayRun || mayAct || isDeserted || work.hasTurns || isNarrow && active > held || hasLeft && !isStopping
        return (isWatched, isDeserted || isLeftLying ? summon() : .nobody)
    }

    /// Judges by what has begun since the last look whether jobs are as short as they were.
    private mutating func judge(_ newJobs: UInt64, _ work: Work) {
        guard isNarrow, work.jobs > 0 else {
            (looksWithoutJob, slowLooks) = (0, 0)
            return
        }
        looksWithoutJob = newJobs == 0 ? looksWithoutJob + 1 : 0
        // A thread that had no processor has begun none.
        if newJobs >= Self.fewJobs { slowLooks = 0 } else if newJobs > 0 { slowLooks += 1 }
        // What has come is looked for each millisecond, too.
        if !hasLeader { jobsSinceGlance = Self.jobsBeforeGlance }
        jobsSinceDeferral = Self.shortJobsBeforeActions
        guard held > 1 || looksWithoutJob >= Self.looksToTell || slowLooks >= Self.looksToTell else { return }
        areJobsShort = false
        epoch += 1
        (looksWithoutJob, slowLooks) = (0, 0)
    }
}
