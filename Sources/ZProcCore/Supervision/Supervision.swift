// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// How a child ended.
package enum ChildEnd: Sendable, CaseIterable {
    /// It returned, or was shut down in order.
    case normal
    /// It failed, crashed or was killed.
    case abnormal
}

/// Decides which children are started and stopped, as the supervisor of Erlang/OTP does.
///
/// Never suspends, locks, reads a clock or calls out. The shell carries out the steps it is given in order, waiting for
/// each, and only then reports what happened next. It tells how each start went, with ``started(_:incarnation:)`` or
/// ``failedToStart(_:incarnation:at:)``. After a failed start it leaves out the rest of the steps, and reports the failure
/// before anything else but ``stop()``: the steps it gets for that make up for those it left out.
package struct Supervision<ID: Hashable & Sendable>: Sendable {
    /// Something for the shell to do.
    package enum Step: Equatable, Sendable {
        /// Start a child.
        ///
        /// The incarnations of a child count 1, 2, 3…, failed starts included.
        case start(ID, incarnation: Int)
        /// Stop a child and wait for its end.
        ///
        /// That end is not reported back, nor is one that was about to be reported: once the child is forgotten and another
        /// one of that id added, it could be taken for the end of that other one.
        case stop(ID, incarnation: Int)
        /// There were too many restarts.
        ///
        /// The last step, after the stops of all that run. The child is the one whose end or failed start was one too many,
        /// the incarnation the one that ended or was not to be.
        case giveUp(ID, incarnation: Int)
    }

    private enum Phase {
        /// Ended, stopped, or failed to start.
        case idle
        /// To be started by the steps under way.
        case starting
        case running
    }

    private struct Child {
        let place: Int
        let rule: RestartRule
        /// The last that was started, or is about to be; 0 before that.
        var incarnation = 0
        var phase = Phase.idle
    }

    private let strategy: SupervisionStrategy
    private let intensity: RestartIntensity
    private var members: [ID: Child] = [:]
    private var lastPlace = 0
    /// When restarts were, oldest first; those that no longer count are dropped at the next one.
    private var restarts: [Duration] = []

    /// Whether it gave up or was stopped: there are no children any more, and there never will be.
    package private(set) var hasEnded = false

    /// A supervisor without children.
    package init(strategy: SupervisionStrategy, intensity: RestartIntensity) {
        self.strategy = strategy
        self.intensity = intensity
    }

    /// All children, running or not, in the order they were added, in which they are also started.
    package var children: [ID] { members.sorted { $0.value.place < $1.value.place }.map(\.key) }

    /// Whether a child was started and has neither ended nor been stopped since.
    package func isRunning(_ id: ID) -> Bool { members[id]?.phase == .running }

    /// Which incarnation of a child was started last, or is about to be; nil when there is no such child.
    package func incarnation(of id: ID) -> Int? { members[id]?.incarnation }

    /// Takes a new child; nil when there is a child of that id already, running or not.
    ///
    /// After the end it takes none and returns no steps. When its first start fails, the child is forgotten.
    package mutating func add(_ id: ID, restart rule: RestartRule) -> [Step]? {
        guard !hasEnded else { return [] }
        guard members[id] == nil else { return nil }
        lastPlace += 1
        members[id] = Child(place: lastPlace, rule: rule)
        return start(id)
    }

    /// Stops a child if it runs, and forgets it.
    package mutating func remove(_ id: ID) -> [Step] {
        let steps = stopRunning([id])
        members[id] = nil
        return steps
    }

    /// A start went well.
    package mutating func started(_ id: ID, incarnation: Int) {
        guard let child = members[id], child.incarnation == incarnation, child.phase == .starting else { return }
        members[id]?.phase = .running
    }

    /// A child ended without being told to; ends of earlier incarnations are ignored.
    ///
    /// The end of one whose start has not been reported says that it had started.
    ///
    /// - Parameters:
    ///   - id: the child.
    ///   - incarnation: which incarnation of it ended.
    ///   - end: how it ended.
    ///   - now: the time since some origin, on a clock that never goes back.
    /// - Returns: what to do now.
    package mutating func ended(_ id: ID, incarnation: Int, _ end: ChildEnd, at now: Duration) -> [Step] {
        guard let child = members[id], child.incarnation == incarnation, child.phase != .idle else { return [] }
        members[id]?.phase = .idle
        switch (child.rule, end) {
        case (.permanent, _), (.transient, .abnormal):
            return restart(id, at: now)
        case (.transient, .normal):
            return []
        case (.temporary, _):
            members[id] = nil
            return []
        }
    }

    /// A start failed, and the steps after it were left out.
    ///
    /// A child that was just added is forgotten. Otherwise this is one more restart, of what the strategy says for a
    /// failure of this child.
    ///
    /// - Parameters:
    ///   - id: the child.
    ///   - incarnation: which incarnation of it there will not be.
    ///   - now: the time since some origin, on a clock that never goes back.
    /// - Returns: what to do now.
    package mutating func failedToStart(_ id: ID, incarnation: Int, at now: Duration) -> [Step] {
        guard let child = members[id], child.incarnation == incarnation, child.phase == .starting else { return [] }
        members[id]?.phase = .idle
        guard incarnation > 1, child.rule != .temporary else {
            members[id] = nil
            return []
        }
        return restart(id, at: now)
    }

    /// Stops all that run, newest first, for good.
    package mutating func stop() -> [Step] {
        hasEnded = true
        defer {
            members.removeAll()
            restarts.removeAll()
        }
        return stopRunning(children)
    }

    private mutating func restart(_ id: ID, at now: Duration) -> [Step] {
        restarts.removeAll { now - $0 > intensity.period }
        restarts.append(now)
        guard restarts.count <= intensity.maximumRestarts else {
            let incarnation = members[id]?.incarnation ?? 0
            return stop() + [.giveUp(id, incarnation: incarnation)]
        }
        let group = group(of: id)
        var steps = stopRunning(group)
        // All that are left in the group are started, also transient children that had ended normally. OTP does the same:
        // its supervisor keeps those in its list without a process, and a restart of a group stops what runs, drops what
        // is temporary, and starts the whole list without asking why something in it did not run.
        for member in group {
            if members[member]?.rule == .temporary {
                members[member] = nil
            } else {
                steps += start(member)
            }
        }
        return steps
    }

    /// The children that are started again because of one of them, in the order of starts.
    private func group(of id: ID) -> [ID] {
        switch strategy {
        case .oneForOne: [id]
        case .oneForAll: children
        case .restForOne: Array(children.drop { $0 != id })
        }
    }

    private mutating func start(_ id: ID) -> [Step] {
        guard var child = members[id] else { return [] }
        // A start that was left out after a failed one has not used up its number.
        if child.phase != .starting { child.incarnation += 1 }
        child.phase = .starting
        members[id] = child
        return [.start(id, incarnation: child.incarnation)]
    }

    /// Stops those that run, last one first.
    private mutating func stopRunning(_ ids: [ID]) -> [Step] {
        var steps: [Step] = []
        for id in ids.reversed() {
            guard let child = members[id], child.phase == .running else { continue }
            members[id]?.phase = .idle
            steps.append(.stop(id, incarnation: child.incarnation))
        }
        return steps
    }
}
