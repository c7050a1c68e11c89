// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CSharedStore
internal import Glibc
internal import Synchronization
internal import ZProcCore

/// The one thread of a store: sleeps until something is committed, in whatever process, and tells the observers.
///
/// It also has snapshots copy themselves out when they have been held for long, and runs one repeated action. It starts
/// with the first of these, and sleeps without a timeout while there are only observers. When there have been none for some
/// commits, it sleeps through further ones: to be woken for nothing takes its processor, and whoever commits has to wake it.
final class StoreMonitor: Sendable {
    private struct Weak: Sendable {
        weak var view: PinnedView?
        let expiry: ContinuousClock.Instant
    }

    private struct Repeated {
        let period: Duration
        let action: @Sendable () -> Void
        var next: ContinuousClock.Instant
    }

    private struct State {
        var observers: [UInt64: @Sendable () -> Void] = [:]
        var lastObserver: UInt64 = 0
        var pins: [Weak] = []
        var repeated: Repeated?
        var isRunning = false
        var isStopped = false
        /// Whether the thread sleeps without looking at the pins.
        var sleepsLong = false
        /// How many commits in a row it has been woken for with nobody to tell.
        var idleCommits = 0
        /// Whether commits do not wake it.
        var sleepsDeeply = false

        /// The thread is needed.
        ///
        /// - Returns: whether it has to be woken for that.
        mutating func becomesNeeded() -> Bool {
            defer { (idleCommits, sleepsDeeply) = (0, false) }
            return sleepsDeeply
        }
    }

    /// Whether its thread is there, and sleeps through commits.
    var sleepsDeeply: Bool { state.withLock(\.sleepsDeeply) }

    private let control: SharedControl
    /// For tasks that wait for commits.
    let executor = MonitorExecutor()
    private let state = Mutex(State())
    /// After so many commits that concern nobody it sleeps deeply: who watches is often between two waits.
    private static let mostIdleCommits = 16
    /// More snapshots than these do not pin pages at the same time.
    private static let mostPins = 64

    init(control: SharedControl) { self.control = control }

    func observe(_ action: @escaping @Sendable () -> Void) -> any Cancellable {
        let (number, mustRouse) = state.withLock { state in
            state.lastObserver += 1
            state.observers[state.lastObserver] = action
            return (state.lastObserver, state.becomesNeeded())
        }
        if mustRouse { control.rouse() }
        run()
        return Observation(monitor: self, number: number)
    }

    /// Has a view copy itself out when it is still held after a while.
    ///
    /// While it pins pages of the file, no page can be used again, so every update takes new ones. Views that cost little
    /// to copy are copied early.
    func pin(_ view: PinnedView, count: Int) {
        let expiry = ContinuousClock.now + .milliseconds(min(max(count / 100, 10), 500))
        let (oldest, mustWake, mustRouse) = state.withLock { state -> (PinnedView?, Bool, Bool) in
            state.pins.append(Weak(view: view, expiry: expiry))
            var oldest: PinnedView?
            if state.pins.count > Self.mostPins {
                state.pins.removeAll { $0.view == nil }
                if state.pins.count > Self.mostPins { oldest = state.pins.removeFirst().view }
            }
            defer { state.sleepsLong = false }
            return (oldest, state.sleepsLong, state.becomesNeeded())
        }
        oldest?.copyOut()
        if mustRouse { control.rouse() } else if mustWake { control.wake() }
        run()
    }

    /// Has all snapshots of this process copy themselves out now.
    func unpin() {
        let views = state.withLock { state in
            defer { state.pins = [] }
            return state.pins.compactMap(\.view)
        }
        for view in views { view.copyOut() }
    }

    func repeatAction(every period: Duration, _ action: @escaping @Sendable () -> Void) {
        let mustRouse = state.withLock { state in
            state.repeated = Repeated(period: period, action: action, next: .now + period)
            return state.becomesNeeded()
        }
        if mustRouse { control.rouse() }
        run()
    }

    /// Ends the thread; snapshots copy themselves out.
    func stop() {
        let pins = state.withLock { state in
            state.isStopped = true
            state.observers = [:]
            state.repeated = nil
            defer { state.pins = [] }
            return state.pins.compactMap(\.view)
        }
        for view in pins { view.copyOut() }
        control.rouse()
    }

    private func run() {
        let mustStart = state.withLock { state in
            defer { state.isRunning = true }
            return !state.isRunning && !state.isStopped
        }
        guard mustStart else { return }
        // What is committed from here on is told of, however long the thread takes to start.
        let seen = control.commits
        startThread(for: "to watch the shared state") { [self] in
            cshared_name_thread("zproc-state")
            loop(seen)
        }
    }

    private func loop(_ start: UInt32) {
        var seen = start
        while true {
            // Before it is known that nobody needs this thread: who does so afterwards changes it.
            let before = control.commits
            guard let (milliseconds, isDeep) = nextSleep() else { return }
            if isDeep {
                control.sleepDeeply(while: before, milliseconds: milliseconds)
            } else {
                control.sleep(while: seen, milliseconds: milliseconds)
            }
            let commits = control.commits
            if commits != seen {
                seen = commits
                executor.run { for action in observersOfCommit() { action() } }
            }
            lookAtTheClock()
        }
    }

    private func observersOfCommit() -> [@Sendable () -> Void] {
        state.withLock { state in
            if state.observers.isEmpty { state.idleCommits += 1 } else { state.idleCommits = 0 }
            return Array(state.observers.values)
        }
    }

    /// How long to sleep, -1 for no limit, and whether through commits; nil to end.
    private func nextSleep() -> (milliseconds: Int, isDeep: Bool)? {
        state.withLock { state in
            if state.isStopped { return nil }
            state.pins.removeAll { $0.view == nil }
            state.sleepsLong = state.pins.isEmpty
            state.sleepsDeeply =
                state.observers.isEmpty && state.pins.isEmpty && state.idleCommits >= Self.mostIdleCommits
            let next = state.pins.reduce(state.repeated?.next) { next, pin in min(next ?? pin.expiry, pin.expiry) }
            return (next.map { max(1, Int($0 - .now, in: .milliseconds(1))) } ?? -1, state.sleepsDeeply)
        }
    }

    private func lookAtTheClock() {
        let (views, action) = state.withLock { state -> ([PinnedView], (@Sendable () -> Void)?) in
            guard !state.pins.isEmpty || state.repeated != nil else { return ([], nil) }
            let now = ContinuousClock.now
            let views = state.pins.filter { $0.expiry <= now }.compactMap(\.view)
            state.pins.removeAll { $0.expiry <= now }
            guard let repeated = state.repeated, repeated.next <= now else { return (views, nil) }
            state.repeated?.next = now + repeated.period
            return (views, repeated.action)
        }
        for view in views { view.copyOut() }
        action?()
    }

    private struct Observation: Cancellable {
        let monitor: StoreMonitor
        let number: UInt64
        func cancel() { monitor.state.withLock { _ = $0.observers.removeValue(forKey: number) } }
    }
}

extension Int {
    /// How often a unit goes into a duration.
    fileprivate init(_ duration: Duration, in unit: Duration) {
        self = Int(Swift.min(1e9, Swift.max(0, duration / unit)))
    }
}
