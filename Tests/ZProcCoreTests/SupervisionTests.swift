// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import MessagePack
import Testing
import ZProcCore

@Suite struct SupervisionTests {
    // MARK: One of three children ends

    /// What is done when one of three children a, b and c ends, whose siblings are permanent.
    struct Row {
        let strategy: SupervisionStrategy
        let rule: RestartRule
        let end: ChildEnd
        /// The steps when that one is a, b or c: `-` is a stop, `+` a start, the number says of which incarnation.
        let a: String, b: String, c: String

        init(
            _ strategy: SupervisionStrategy,
            _ rule: RestartRule,
            _ end: ChildEnd,
            _ a: String,
            _ b: String,
            _ c: String
        ) {
            (self.strategy, self.rule, self.end, self.a, self.b, self.c) = (strategy, rule, end, a, b, c)
        }
    }

    static let table = [
        Row(.oneForOne, .permanent, .normal, "+a2", "+b2", "+c2"),
        Row(.oneForOne, .permanent, .abnormal, "+a2", "+b2", "+c2"),
        Row(.oneForOne, .transient, .normal, "", "", ""),
        Row(.oneForOne, .transient, .abnormal, "+a2", "+b2", "+c2"),
        Row(.oneForOne, .temporary, .normal, "", "", ""),
        Row(.oneForOne, .temporary, .abnormal, "", "", ""),

        Row(.oneForAll, .permanent, .normal, "-c1 -b1 +a2 +b2 +c2", "-c1 -a1 +a2 +b2 +c2", "-b1 -a1 +a2 +b2 +c2"),
        Row(.oneForAll, .permanent, .abnormal, "-c1 -b1 +a2 +b2 +c2", "-c1 -a1 +a2 +b2 +c2", "-b1 -a1 +a2 +b2 +c2"),
        Row(.oneForAll, .transient, .normal, "", "", ""),
        Row(.oneForAll, .transient, .abnormal, "-c1 -b1 +a2 +b2 +c2", "-c1 -a1 +a2 +b2 +c2", "-b1 -a1 +a2 +b2 +c2"),
        Row(.oneForAll, .temporary, .normal, "", "", ""),
        Row(.oneForAll, .temporary, .abnormal, "", "", ""),

        Row(.restForOne, .permanent, .normal, "-c1 -b1 +a2 +b2 +c2", "-c1 +b2 +c2", "+c2"),
        Row(.restForOne, .permanent, .abnormal, "-c1 -b1 +a2 +b2 +c2", "-c1 +b2 +c2", "+c2"),
        Row(.restForOne, .transient, .normal, "", "", ""),
        Row(.restForOne, .transient, .abnormal, "-c1 -b1 +a2 +b2 +c2", "-c1 +b2 +c2", "+c2"),
        Row(.restForOne, .temporary, .normal, "", "", ""),
        Row(.restForOne, .temporary, .abnormal, "", "", ""),
    ]

    @Test func theTableHasEveryRowOnce() {
        let rows = Set(Self.table.map { "\($0.strategy) \($0.rule) \($0.end)" })
        let count = SupervisionStrategy.allCases.count * RestartRule.allCases.count * ChildEnd.allCases.count
        #expect(Self.table.count == count)
        #expect(rows.count == count)
    }

    @Test(arguments: table, ["a", "b", "c"])
    func theEndOfOneOfThree(_ row: Row, _ failing: Character) throws {
        let expected = try #require(["a": row.a, "b": row.b, "c": row.c][failing])
        var shell = Shell(row.strategy)
        for id: Character in ["a", "b", "c"] {
            #expect(shell.add(id, id == failing ? row.rule : .permanent) == "+\(id)1")
        }
        #expect(shell.ended(failing, row.end) == expected)
        #expect(shell.core.children == ["a", "b", "c"].filter { $0 != failing || row.rule != .temporary })
        #expect(shell.core.isRunning(failing) == !expected.isEmpty)
        for sibling: Character in ["a", "b", "c"] where sibling != failing { #expect(shell.core.isRunning(sibling)) }
        #expect(!shell.core.hasEnded)
    }

    // MARK: Siblings of every kind

    /// What is done when the permanent child b crashes, the middle one of three, and what children are left.
    struct SiblingRow {
        let strategy: SupervisionStrategy
        let siblings: RestartRule
        /// Whether the siblings ended normally before.
        let ended: Bool
        let steps: String
        let children: [Character]

        init(_ strategy: SupervisionStrategy, _ siblings: RestartRule, ended: Bool, _ steps: String, _ children: String)
        {
            (self.strategy, self.siblings, self.ended, self.steps) = (strategy, siblings, ended, steps)
            self.children = Array(children)
        }
    }

    @Test(arguments: [
        SiblingRow(.oneForOne, .transient, ended: false, "+b2", "abc"),
        SiblingRow(.oneForOne, .transient, ended: true, "+b2", "abc"),
        SiblingRow(.oneForOne, .temporary, ended: false, "+b2", "abc"),
        SiblingRow(.oneForOne, .temporary, ended: true, "+b2", "b"),
        SiblingRow(.oneForAll, .transient, ended: false, "-c1 -a1 +a2 +b2 +c2", "abc"),
        SiblingRow(.oneForAll, .transient, ended: true, "+a2 +b2 +c2", "abc"),
        SiblingRow(.oneForAll, .temporary, ended: false, "-c1 -a1 +b2", "b"),
        SiblingRow(.oneForAll, .temporary, ended: true, "+b2", "b"),
        SiblingRow(.restForOne, .transient, ended: false, "-c1 +b2 +c2", "abc"),
        SiblingRow(.restForOne, .transient, ended: true, "+b2 +c2", "abc"),
        SiblingRow(.restForOne, .temporary, ended: false, "-c1 +b2", "ab"),
        SiblingRow(.restForOne, .temporary, ended: true, "+b2", "b"),
    ])
    func whatHappensToSiblings(_ row: SiblingRow) {
        var shell = Shell(row.strategy)
        for id: Character in ["a", "b", "c"] { _ = shell.add(id, id == "b" ? .permanent : row.siblings) }
        if row.ended {
            for id: Character in ["a", "c"] { #expect(shell.ended(id, .normal) == "") }
        }
        #expect(shell.ended("b", .abnormal) == row.steps)
        #expect(shell.core.children == row.children)
    }

    // MARK: Intensity

    @Test(arguments: [
        (Duration.zero, true), (.seconds(4), true), (.seconds(5), true), (.seconds(5) + .nanoseconds(1), false),
        (.seconds(6), false),
    ])
    func aRestartCountsForExactlyItsPeriod(_ gap: Duration, isTooSoon: Bool) {
        var shell = Shell(.oneForOne, RestartIntensity())
        _ = shell.add("a", .permanent)
        #expect(shell.ended("a", .abnormal, at: .seconds(100)) == "+a2")
        #expect(shell.ended("a", .abnormal, at: .seconds(100) + gap) == (isTooSoon ? "!a" : "+a3"))
        #expect(shell.core.hasEnded == isTooSoon)
    }

    @Test func thePeriodSlides() {
        var shell = Shell(.oneForOne, RestartIntensity(2, within: .seconds(5)))
        _ = shell.add("a", .permanent)
        _ = shell.add("b", .permanent)
        #expect(shell.ended("a", .abnormal, at: .seconds(0)) == "+a2")
        #expect(shell.ended("b", .abnormal, at: .seconds(4)) == "+b2")
        #expect(shell.ended("a", .abnormal, at: .seconds(6)) == "+a3")
        #expect(shell.ended("b", .abnormal, at: .seconds(10)) == "+b3")
        #expect(shell.ended("a", .abnormal, at: .seconds(11)) == "-b3 !a")
    }

    @Test(arguments: SupervisionStrategy.allCases)
    func withNoRestartsTheFirstIsTooMany(_ strategy: SupervisionStrategy) {
        var shell = Shell(strategy, RestartIntensity(0))
        for id: Character in ["a", "b", "c", "d"] { _ = shell.add(id, id == "d" ? .temporary : .transient) }
        #expect(shell.ended("a", .normal) == "")
        #expect(shell.ended("b", .abnormal) == "-d1 -c1 !b")
        #expect(shell.core.hasEnded)
        #expect(shell.core.children.isEmpty)
    }

    @Test func endsThatNeedNoRestartDoNotCount() {
        var shell = Shell(.oneForAll, RestartIntensity(1))
        _ = shell.add("a", .permanent)
        for number in 1...20 {
            #expect(shell.add("b", number.isMultiple(of: 2) ? .temporary : .transient) == "+b1")
            #expect(shell.ended("b", number.isMultiple(of: 2) ? .abnormal : .normal) == "")
            #expect(shell.remove("b") == "")
        }
        #expect(shell.ended("a", .abnormal) == "+a2")
    }

    @Test func anEndCountsOnceHoweverManyAreRestarted() {
        var shell = Shell(.oneForAll, RestartIntensity(1))
        for id in "abcdefghij" { _ = shell.add(id, .permanent) }
        #expect(shell.ended("a", .abnormal).hasSuffix("+i2 +j2"))
        #expect(shell.ended("j", .abnormal) == "-i2 -h2 -g2 -f2 -e2 -d2 -c2 -b2 -a2 !j")
    }

    @Test func intensitiesAreNeverNegative() throws {
        let none = RestartIntensity(0, within: .zero)
        #expect(RestartIntensity(-3, within: .seconds(-1)) == none)
        var changed = RestartIntensity()
        #expect(changed.maximumRestarts == 1)
        #expect(changed.period == .seconds(5))
        changed.maximumRestarts = -1
        changed.period = .seconds(-1)
        #expect(changed == none)

        let encoder = MessagePackEncoder(), decoder = MessagePackDecoder()
        let period = try decoder.decode(Value.self, from: encoder.encode(Duration.seconds(5)))
        for (number, read) in [(37, 37), (-37, 0)] {
            let written = try encoder.encode(Value.map(["maximumRestarts": .int(Int64(number)), "period": period]))
            #expect(try decoder.decode(RestartIntensity.self, from: written) == RestartIntensity(read))
        }
    }

    // MARK: Ends that are of no interest

    @Test func endsOfEarlierIncarnationsAreIgnored() {
        var shell = Shell(.oneForAll)
        for id: Character in ["a", "b"] { _ = shell.add(id, .permanent) }
        #expect(shell.ended("a", .abnormal) == "-b1 +a2 +b2")
        // Both had ended before b was stopped.
        #expect(shell.core.ended("b", incarnation: 1, .abnormal, at: .zero) == [])
        #expect(shell.core.ended("a", incarnation: 1, .abnormal, at: .zero) == [])
        #expect(shell.core.ended("a", incarnation: 3, .abnormal, at: .zero) == [])
        #expect(shell.core.ended("x", incarnation: 1, .abnormal, at: .zero) == [])
        #expect(shell.core.isRunning("a") && shell.core.isRunning("b"))
    }

    @Test func aSecondEndIsIgnored() {
        var shell = Shell(.oneForOne)
        _ = shell.add("a", .transient)
        #expect(shell.ended("a", .normal) == "")
        #expect(shell.ended("a", .abnormal) == "")
        #expect(!shell.core.isRunning("a"))
        #expect(shell.core.children == ["a"])
    }

    @Test func ignoredEndsDoNotCount() {
        var shell = Shell(.oneForOne, RestartIntensity(1))
        _ = shell.add("a", .permanent)
        #expect(shell.ended("a", .abnormal) == "+a2")
        for _ in 0..<10 { #expect(shell.core.ended("a", incarnation: 1, .abnormal, at: .zero) == []) }
        #expect(shell.ended("a", .abnormal, at: .seconds(6)) == "+a3")
    }

    @Test func anEndSaysThatItHadStarted() {
        var shell = Shell(.oneForOne)
        #expect(shell.core.add("a", restart: .permanent) == [.start("a", incarnation: 1)])
        #expect(shell.ended("a", .abnormal) == "+a2")
    }

    // MARK: Failing starts

    @Test(arguments: SupervisionStrategy.allCases, RestartRule.allCases)
    func aChildThatCannotBeAddedIsForgotten(_ strategy: SupervisionStrategy, _ rule: RestartRule) {
        var shell = Shell(strategy, RestartIntensity(0))
        _ = shell.add("a", .permanent)
        shell.failing = ["b1"]
        #expect(shell.add("b", rule) == "?b1")
        #expect(shell.core.children == ["a"])
        #expect(shell.core.incarnation(of: "b") == nil)
        shell.failing = []
        #expect(shell.add("b", rule) == "+b1")
    }

    /// What is done when a child of a, b and c crashes, all of them permanent, and some starts fail: those with `?`.
    struct FailureRow {
        let strategy: SupervisionStrategy
        let maximumRestarts: Int
        let crashed: Character
        let steps: String

        init(_ strategy: SupervisionStrategy, _ maximumRestarts: Int, crash crashed: Character, _ steps: String) {
            (self.strategy, self.maximumRestarts) = (strategy, maximumRestarts)
            (self.crashed, self.steps) = (crashed, steps)
        }
    }

    @Test(arguments: [
        FailureRow(.oneForOne, 3, crash: "a", "?a2 ?a3 +a4"),
        FailureRow(.oneForOne, 2, crash: "a", "?a2 ?a3 -c1 -b1 !a"),
        FailureRow(.oneForAll, 2, crash: "c", "-b1 -a1 ?a2 +a3 +b2 +c2"),
        FailureRow(.oneForAll, 2, crash: "c", "-b1 -a1 +a2 ?b2 -a2 +a3 +b3 +c2"),
        FailureRow(.oneForAll, 2, crash: "c", "-b1 -a1 +a2 +b2 ?c2 -b2 -a2 +a3 +b3 +c3"),
        FailureRow(.oneForAll, 3, crash: "a", "-c1 -b1 +a2 ?b2 -a2 ?a3 +a4 +b3 +c2"),
        FailureRow(.oneForAll, 1, crash: "c", "-b1 -a1 +a2 ?b2 -a2 !b"),
        FailureRow(.restForOne, 2, crash: "b", "-c1 ?b2 +b3 +c2"),
        FailureRow(.restForOne, 2, crash: "b", "-c1 +b2 ?c2 +c3"),
        FailureRow(.restForOne, 3, crash: "a", "-c1 -b1 +a2 ?b2 +b3 ?c2 +c3"),
        FailureRow(.restForOne, 2, crash: "a", "-c1 -b1 +a2 ?b2 +b3 ?c2 -b3 -a2 !c"),
    ])
    func restartsThatFailAreTriedAgain(_ row: FailureRow) {
        var shell = Shell(row.strategy, RestartIntensity(row.maximumRestarts))
        for id: Character in ["a", "b", "c"] { _ = shell.add(id, .permanent) }
        shell.failing = Set(row.steps.split(separator: " ").filter { $0.hasPrefix("?") }.map { String($0.dropFirst()) })
        #expect(shell.ended(row.crashed, .abnormal) == row.steps)
        let gaveUp = row.steps.contains("!")
        #expect(shell.core.hasEnded == gaveUp)
        for id: Character in ["a", "b", "c"] { #expect(shell.core.isRunning(id) == !gaveUp) }
    }

    @Test func aTransientChildWhoseRestartFailsIsTriedAgain() {
        var shell = Shell(.oneForAll, RestartIntensity(2))
        _ = shell.add("a", .transient)
        _ = shell.add("b", .permanent)
        _ = shell.ended("a", .normal)
        shell.failing = ["a2"]
        #expect(shell.ended("b", .abnormal) == "?a2 +a3 +b2")
    }

    @Test func onlyAStartUnderWayCanFail() {
        var shell = Shell(.oneForOne)
        _ = shell.add("a", .permanent)
        #expect(shell.core.failedToStart("a", incarnation: 1, at: .zero) == [])
        #expect(shell.core.failedToStart("x", incarnation: 1, at: .zero) == [])
        #expect(shell.core.isRunning("a"))
        #expect(shell.core.ended("a", incarnation: 1, .abnormal, at: .zero) == [.start("a", incarnation: 2)])
        #expect(shell.core.failedToStart("a", incarnation: 1, at: .zero) == [])
        shell.core.started("a", incarnation: 1)
        #expect(!shell.core.isRunning("a"))
        shell.core.started("a", incarnation: 2)
        #expect(shell.core.isRunning("a"))
    }

    // MARK: Adding, removing, stopping

    @Test func childrenAreListedInOrderOfTheirAddition() {
        var shell = Shell(.oneForOne)
        for id in "dbca" { #expect(shell.add(id, .permanent) == "+\(id)1") }
        #expect(shell.add("b", .temporary) == nil)
        #expect(shell.ended("d", .abnormal) == "+d2")
        #expect(shell.core.children == Array("dbca"))
        #expect(shell.core.incarnation(of: "d") == 2)
        #expect(shell.core.incarnation(of: "a") == 1)
        #expect(shell.core.incarnation(of: "x") == nil)
        #expect(!shell.core.isRunning("x"))
        #expect(shell.stop() == "-a1 -c1 -b1 -d2")
    }

    @Test func aTransientChildThatEndedKeepsItsID() {
        var shell = Shell(.oneForOne)
        _ = shell.add("a", .transient)
        _ = shell.ended("a", .normal)
        #expect(shell.add("a", .transient) == nil)
        #expect(shell.remove("a") == "")
        #expect(shell.add("a", .transient) == "+a1")
    }

    @Test(arguments: SupervisionStrategy.allCases)
    func removingOneLeavesItsSiblingsAlone(_ strategy: SupervisionStrategy) {
        var shell = Shell(strategy, RestartIntensity(1))
        for id: Character in ["a", "b", "c"] { _ = shell.add(id, .permanent) }
        #expect(shell.remove("x") == "")
        #expect(shell.remove("b") == "-b1")
        #expect(shell.remove("b") == "")
        #expect(shell.core.ended("b", incarnation: 1, .abnormal, at: .zero) == [])
        #expect(shell.core.children == ["a", "c"])
        // Comes back as the newest.
        #expect(shell.add("b", .permanent) == "+b1")
        #expect(shell.core.children == ["a", "c", "b"])
        let expected: [SupervisionStrategy: String] = [
            .oneForOne: "+c2", .oneForAll: "-b1 -a1 +a2 +c2 +b2", .restForOne: "-b1 +c2 +b2",
        ]
        #expect(shell.ended("c", .abnormal) == expected[strategy])
    }

    @Test func whatIsRemovedBeforeItStartedIsNotStopped() {
        var shell = Shell(.oneForOne)
        #expect(shell.core.add("a", restart: .permanent) == [.start("a", incarnation: 1)])
        #expect(shell.remove("a") == "")
        shell.core.started("a", incarnation: 1)
        #expect(!shell.core.isRunning("a"))
        #expect(shell.core.failedToStart("a", incarnation: 1, at: .zero) == [])
    }

    @Test func stoppingStopsWhatRunsNewestFirst() {
        var shell = Shell(.oneForAll)
        for id: Character in ["a", "b", "c"] { _ = shell.add(id, .transient) }
        _ = shell.ended("b", .normal)
        #expect(shell.stop() == "-c1 -a1")
        #expect(shell.core.hasEnded)
        #expect(shell.stop() == "")
    }

    @Test func stoppingBetweenAFailedStartAndItsReport() {
        var shell = Shell(.oneForAll)
        for id: Character in ["a", "b", "c"] { _ = shell.add(id, .permanent) }
        let steps = shell.core.ended("c", incarnation: 1, .abnormal, at: .zero)
        #expect(shell.text(steps) == "-b1 -a1 +a2 +b2 +c2")
        shell.core.started("a", incarnation: 2)
        #expect(shell.stop() == "-a2")
        #expect(shell.core.failedToStart("b", incarnation: 2, at: .zero) == [])
        shell.core.started("c", incarnation: 2)
        #expect(!shell.core.isRunning("c"))
    }

    @Test(arguments: SupervisionStrategy.allCases, [true, false])
    func nothingHappensAfterTheEnd(_ strategy: SupervisionStrategy, gaveUp: Bool) {
        var shell = Shell(strategy, RestartIntensity(0))
        for id: Character in ["a", "b"] { _ = shell.add(id, .permanent) }
        #expect((gaveUp ? shell.ended("b", .abnormal) : shell.stop()) == (gaveUp ? "-a1 !b" : "-b1 -a1"))
        #expect(shell.core.hasEnded)
        for id: Character in ["a", "b", "c"] {
            #expect(shell.add(id, .permanent) == "")
            shell.core.started(id, incarnation: 1)
            #expect(!shell.core.isRunning(id))
            #expect(shell.core.ended(id, incarnation: 1, .abnormal, at: .zero) == [])
            #expect(shell.core.failedToStart(id, incarnation: 2, at: .zero) == [])
            #expect(shell.remove(id) == "")
        }
        #expect(shell.core.children.isEmpty)
        #expect(shell.stop() == "")
    }

    // MARK: Anything at any time

    /// `ZPROC_SEED` repeats a run.
    @Test func whateverHappensTheRulesHold() throws {
        let seed = getenv("ZPROC_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 0...UInt64.max)
        print("supervision: seed \(seed)")
        var random = SeededNumbers(state: seed)
        var tally = RandomShell.Tally()
        for run in 1...200 {
            var shell = RandomShell(run: "seed \(seed), run \(run)", using: &random)
            for _ in 1...200 {
                try shell.doSomething(using: &random)
                try shell.check()
                if shell.isDone {
                    tally += shell.tally
                    shell = RandomShell(run: shell.run, using: &random)
                }
            }
            tally += shell.tally
        }
        // All of it was seen.
        for (name, count) in tally.counts { #expect(count > 50, "\(name), seed \(seed)") }
        #expect(tally.counts.count == 9)
    }
}

// MARK: - A shell that follows a script

/// Carries out steps for children with names of one letter, and writes down what it did.
private struct Shell {
    var core: Supervision<Character>
    /// The starts that fail, such as `a2`.
    var failing: Set<String> = []

    init(_ strategy: SupervisionStrategy, _ intensity: RestartIntensity = RestartIntensity(100)) {
        core = Supervision(strategy: strategy, intensity: intensity)
    }

    mutating func add(_ id: Character, _ rule: RestartRule) -> String? {
        core.add(id, restart: rule).map { carryOut($0, at: .zero) }
    }

    mutating func remove(_ id: Character) -> String { carryOut(core.remove(id), at: .zero) }

    mutating func stop() -> String { carryOut(core.stop(), at: .zero) }

    /// Its current incarnation ends.
    mutating func ended(_ id: Character, _ end: ChildEnd, at now: Duration = .zero) -> String {
        let incarnation = core.incarnation(of: id) ?? 0
        return carryOut(core.ended(id, incarnation: incarnation, end, at: now), at: now)
    }

    /// What is written down for steps that succeed: `+` for starts, `-` for stops, `!` for giving up.
    func text(_ steps: [Supervision<Character>.Step]) -> String { steps.map(text).joined(separator: " ") }

    private func text(_ step: Supervision<Character>.Step) -> String {
        switch step {
        case .start(let id, let incarnation): "+\(id)\(incarnation)"
        case .stop(let id, let incarnation): "-\(id)\(incarnation)"
        case .giveUp(let id, _): "!\(id)"
        }
    }

    private mutating func carryOut(_ steps: [Supervision<Character>.Step], at now: Duration) -> String {
        var done: [String] = []
        var rest = steps[...]
        while let step = rest.popFirst() {
            if case .start(let id, let incarnation) = step {
                if failing.contains("\(id)\(incarnation)") {
                    done.append("?\(id)\(incarnation)")
                    rest = core.failedToStart(id, incarnation: incarnation, at: now)[...]
                    continue
                }
                core.started(id, incarnation: incarnation)
            }
            done.append(text(step))
        }
        return done.joined(separator: " ")
    }
}
