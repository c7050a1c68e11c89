// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProcCore

/// Numbers that are the same for the same seed.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    /// Prints the seed, which is that of `ZPROC_SEED` or a new one.
    static func announced(_ purpose: String) -> SeededNumbers {
        let seed = getenv("ZPROC_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 0...UInt64.max)
        print("\(purpose): seed \(seed)")
        return SeededNumbers(state: seed)
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// Lets children end, starts fail and time pass at random, and knows by itself what runs and what should.
struct RandomShell {
    typealias Step = Supervision<Int>.Step

    /// How often things happened.
    struct Tally {
        var counts: [String: Int] = [:]

        static func += (all: inout Tally, some: Tally) { all.counts.merge(some.counts, uniquingKeysWith: +) }
    }

    struct Child {
        let id: Int
        let rule: RestartRule
        var starts = 0
        var isRunning = false
        /// Whether it may stay as it is while it does not run.
        var isFinished = false
    }

    let run: String
    private(set) var tally = Tally()
    private var core: Supervision<Int>
    private let strategy: SupervisionStrategy
    private let maximumRestarts: Int
    private let period: Duration
    private let failuresPerCent: Int
    private var now = Duration.seconds(1_000)
    /// In order of their addition.
    private var children: [Child] = []
    private var restarts: [Duration] = []
    private var hasEnded = false
    private var eventsAfterEnd = 0

    var isDone: Bool { eventsAfterEnd > 5 }

    init(run: String, using random: inout SeededNumbers) {
        self.run = run
        strategy = [.oneForOne, .oneForAll, .restForOne][Int.random(in: 0..<3, using: &random)]
        maximumRestarts = Int.random(in: 0...8, using: &random)
        period = .milliseconds(Int.random(in: 0...5, using: &random) * 1_000)
        failuresPerCent = Int.random(in: 0...30, using: &random)
        core = Supervision(strategy: strategy, intensity: RestartIntensity(maximumRestarts, within: period))
    }

    mutating func doSomething(using random: inout SeededNumbers) throws {
        if hasEnded { eventsAfterEnd += 1 }
        // Whole steps of time, so that restarts are often exactly one period apart.
        now += .milliseconds(Int.random(in: 0...4, using: &random) * 500)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<20: try add(Int.random(in: 0..<8, using: &random), using: &random)
        case 20..<25: try remove(Int.random(in: 0..<8, using: &random))
        case 25..<75: try endOne(using: &random)
        case 75..<98: try reportSomethingOld(using: &random)
        case 98: try stop()
        default: now += period + .nanoseconds(1)
        }
    }

    /// What holds whenever all steps are done.
    func check() throws {
        try #require(core.hasEnded == hasEnded, "\(run)")
        try #require(core.children == children.map(\.id), "\(run)")
        for child in children {
            try #require(core.isRunning(child.id) == child.isRunning, "\(run)")
            try #require(core.incarnation(of: child.id) == child.starts, "\(run)")
            // Permanent children always run, transient ones unless they were done, temporary ones or they are gone.
            try #require(child.isRunning || (child.rule == .transient && child.isFinished), "\(run)")
        }
        // No more restarts than allowed in any period: of one more than that, the last comes late enough.
        for (first, last) in zip(restarts, restarts.dropFirst(maximumRestarts)) {
            try #require(maximumRestarts > 0 && last - first > period, "\(run)")
        }
    }

    // MARK: Events

    private mutating func add(_ id: Int, using random: inout SeededNumbers) throws {
        let rule: RestartRule = [.permanent, .permanent, .transient, .temporary][Int.random(in: 0..<4, using: &random)]
        let steps = core.add(id, restart: rule)
        if hasEnded {
            try #require(steps == [], "\(run)")
        } else if find(id) != nil {
            try #require(steps == nil, "\(run)")
        } else {
            try #require(steps == [.start(id, incarnation: 1)], "\(run)")
            children.append(Child(id: id, rule: rule))
            try carryOut([.start(id, incarnation: 1)], using: &random)
        }
    }

    private mutating func remove(_ id: Int) throws {
        let steps = core.remove(id)
        guard let position = find(id) else {
            try #require(steps == [], "\(run)")
            return
        }
        let child = children.remove(at: position)
        try #require(steps == (child.isRunning ? [.stop(id, incarnation: child.starts)] : []), "\(run)")
        count("removals")
    }

    private mutating func endOne(using random: inout SeededNumbers) throws {
        guard let position = children.indices.filter({ children[$0].isRunning }).randomElement(using: &random) else {
            return
        }
        let end: ChildEnd = Int.random(in: 0..<3, using: &random) == 0 ? .normal : .abnormal
        let child = children[position]
        children[position].isRunning = false
        let steps = core.ended(child.id, incarnation: child.starts, end, at: now)
        if child.rule == .permanent || (child.rule == .transient && end == .abnormal) {
            try checkRestart(of: child.id, steps)
            count("restarts")
            try carryOut(steps, using: &random)
        } else {
            try #require(steps == [], "\(run)")
            children[position].isFinished = true
            if child.rule == .temporary { children.remove(at: position) }
            count("ends without a restart")
        }
    }

    private mutating func reportSomethingOld(using random: inout SeededNumbers) throws {
        let id = Int.random(in: 0..<10, using: &random)
        var incarnation = Int.random(in: 1...3, using: &random)
        if let position = find(id) {
            let child = children[position]
            // The last incarnation is old as well if it does not run.
            incarnation = Int.random(in: 0...(child.isRunning ? child.starts - 1 : child.starts), using: &random)
        }
        let before = core.children
        let end: ChildEnd = Bool.random(using: &random) ? .normal : .abnormal
        try #require(core.ended(id, incarnation: incarnation, end, at: now) == [], "\(run)")
        try #require(core.failedToStart(id, incarnation: incarnation, at: now) == [], "\(run)")
        core.started(id, incarnation: incarnation)
        try #require(core.children == before, "\(run)")
        count("old reports")
    }

    private mutating func stop() throws {
        let expected = stops(of: children)
        try #require(core.stop() == expected, "\(run)")
        if !hasEnded { count("orderly ends") }
        hasEnded = true
        children = []
    }

    // MARK: Steps

    /// Does what it is told, as far as it can.
    private mutating func carryOut(_ steps: [Step], using random: inout SeededNumbers) throws {
        var rest = steps[...]
        while let step = rest.popFirst() {
            switch step {
            case .start(let id, let incarnation):
                let position = try #require(find(id), "\(run)")
                try #require(!children[position].isRunning, "\(run)")
                try #require(incarnation == children[position].starts + 1, "\(run)")
                children[position].starts += 1
                children[position].isFinished = false
                if Int.random(in: 0..<100, using: &random) >= failuresPerCent {
                    children[position].isRunning = true
                    core.started(id, incarnation: incarnation)
                    continue
                }
                now += .milliseconds(Int.random(in: 0...2, using: &random) * 500)
                count(rest.isEmpty ? "failed starts" : "failed starts amid others")
                rest = core.failedToStart(id, incarnation: incarnation, at: now)[...]
                if incarnation == 1 {
                    try #require(rest == [], "\(run)")
                    children.remove(at: position)
                } else {
                    try checkRestart(of: id, Array(rest))
                }
            case .stop(let id, let incarnation):
                let position = try #require(find(id), "\(run)")
                try #require(children[position].isRunning && children[position].starts == incarnation, "\(run)")
                children[position].isRunning = false
                if children[position].rule == .temporary { children.remove(at: position) }
            case .giveUp:
                try #require(rest.isEmpty, "\(run)")
                hasEnded = true
                children = []
                count("times it gave up")
            }
        }
        if steps.count > 3 { count("long plans") }
    }

    /// Compares the steps for a failure of `id` with those there should be, when it is a restart that counts.
    private mutating func checkRestart(of id: Int, _ steps: [Step]) throws {
        let earliest = maximumRestarts == 0 ? now : restarts.dropLast(maximumRestarts - 1).last
        let position = try #require(find(id), "\(run)")
        if let earliest, now - earliest <= period {
            let end = Step.giveUp(id, incarnation: children[position].starts)
            try #require(steps == stops(of: children) + [end], "\(run)")
            return
        }
        restarts.append(now)
        let group =
            switch strategy {
            case .oneForOne: [children[position]]
            case .oneForAll: children
            case .restForOne: Array(children[position...])
            }
        let starts = group.filter { $0.rule != .temporary }.map { Step.start($0.id, incarnation: $0.starts + 1) }
        try #require(steps == stops(of: group) + starts, "\(run)")
    }

    private func stops(of children: [Child]) -> [Step] {
        children.reversed().filter(\.isRunning).map { .stop($0.id, incarnation: $0.starts) }
    }

    private func find(_ id: Int) -> Int? { children.firstIndex { $0.id == id } }

    private mutating func count(_ name: String) { tally.counts[name, default: 0] += 1 }
}
