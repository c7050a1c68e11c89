// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import HeapModule
internal import Synchronization

/// Calls actions when it is time, unless they are cancelled before.
///
/// A sleeping task keeps its memory until its time has come, also when it is cancelled; so for what is usually cancelled, as
/// time limits are, all actions share one.
package final class AlarmClock: Sendable {
    package static let shared = AlarmClock()

    private struct Alarm: Comparable {
        let time: ContinuousClock.Instant
        let number: UInt64

        static func < (one: Alarm, other: Alarm) -> Bool { (one.time, one.number) < (other.time, other.number) }
    }

    private struct State {
        var alarms = Heap<Alarm>()
        /// What is to be done, by number; what is not in here has been cancelled.
        var actions: [UInt64: @Sendable () -> Void] = [:]
        var lastNumber: UInt64 = 0
        /// When somebody will look next.
        var nextLook: ContinuousClock.Instant?
    }
    private let state = Mutex(State())

    package init() {}

    /// How many actions wait for their time.
    package var count: Int { state.withLock { $0.actions.count } }

    /// The same with those that are cancelled and whose time has not come.
    package var entryCount: Int { state.withLock { $0.alarms.count } }

    /// Has an action called at a time, or soon after.
    ///
    /// It runs where it delays other alarms, and must be short.
    @discardableResult
    package func set(
        at time: ContinuousClock.Instant,
        _ action: @escaping @Sendable () -> Void
    ) -> any Cancellable {
        let (number, mustLook) = state.withLock { state in
            state.lastNumber += 1
            state.actions[state.lastNumber] = action
            state.alarms.insert(Alarm(time: time, number: state.lastNumber))
            defer { state.nextLook = min(state.nextLook ?? time, time) }
            return (state.lastNumber, state.nextLook.map { time < $0 } ?? true)
        }
        if mustLook { look(at: time) }
        return Setting(clock: self, number: number)
    }

    /// The same for a time from now.
    @discardableResult
    package func set(after time: Duration, _ action: @escaping @Sendable () -> Void) -> any Cancellable {
        set(at: .now + time.countable, action)
    }

    private struct Setting: Cancellable {
        let clock: AlarmClock
        let number: UInt64
        func cancel() { clock.cancel(number) }
    }

    private func cancel(_ number: UInt64) {
        // The action's captures are let go of outside the lock.
        let action = state.withLock { state in
            let action = state.actions.removeValue(forKey: number)
            if state.alarms.count > 64, state.alarms.count > 2 * state.actions.count {
                let actions = state.actions
                state.alarms = Heap(state.alarms.unordered.filter { actions[$0.number] != nil })
            }
            return action
        }
        withExtendedLifetime(action) {}
    }

    private func look(at time: ContinuousClock.Instant) {
        // What holds for the task that sets an alarm does not for the others.
        Task.detached { [self] in
            try? await ContinuousClock().sleep(until: time, tolerance: .zero)
            ring(at: time)
        }
    }

    private func ring(at time: ContinuousClock.Instant) {
        let (due, next) = state.withLock { state in
            // An earlier alarm has been set since, and whoever looks then looks on.
            guard state.nextLook == time else { return ([@Sendable () -> Void](), ContinuousClock.Instant?.none) }
            var due: [@Sendable () -> Void] = []
            let now = ContinuousClock.now
            while let first = state.alarms.min, first.time <= now || state.actions[first.number] == nil {
                _ = state.alarms.popMin()
                if let action = state.actions.removeValue(forKey: first.number) { due.append(action) }
            }
            state.nextLook = state.alarms.min?.time
            return (due, state.nextLook)
        }
        if let next { look(at: next) }
        for action in due { action() }
    }
}
