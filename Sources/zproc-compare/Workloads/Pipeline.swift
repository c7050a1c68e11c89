// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Distributed
import ZProc

/// Numbers that go through actors, each of which calls the next.
struct Pipeline: Workload {
    let size: Int, workers: Int

    /// How many numbers are on the way at a time.
    private static let window = 64

    private struct Lane {
        var first: Multiplier, last: Collector
    }

    func loop() -> Int { (0..<size).reduce(0) { $0 &+ mixed(multiplied($1)) } }

    func run(in context: Context) async throws -> Int {
        var lanes: [Lane] = []
        for _ in 0..<workers {
            let collector = try await context.host { Collector(actorSystem: $0) }
            let mixer = try await context.host { Mixer(next: collector, actorSystem: $0) }
            let multiplier = try await context.host { Multiplier(next: mixer, actorSystem: $0) }
            lanes.append(Lane(first: multiplier, last: collector))
        }
        let firsts = lanes.map(\.first), size = size
        try await withThrowingTaskGroup(of: Void.self) { group in
            for offset in 0..<min(Self.window, size) {
                group.addTask {
                    for number in stride(from: offset, to: size, by: Self.window) {
                        try await firsts[number % firsts.count].process(number)
                    }
                }
            }
            try await group.waitForAll()
        }
        var sum = 0
        for lane in lanes { sum &+= try await lane.last.total() }
        return sum
    }
}

private func multiplied(_ number: Int) -> Int { number &* 3 &+ 1 }

private func mixed(_ number: Int) -> Int { number ^ (number >> 3) }

distributed actor Multiplier {
    typealias ActorSystem = ZProcSystem
    private let next: Mixer

    init(next: Mixer, actorSystem: ActorSystem) {
        self.next = next
        self.actorSystem = actorSystem
    }

    distributed func process(_ number: Int) async throws { try await next.process(multiplied(number)) }
}

distributed actor Mixer {
    typealias ActorSystem = ZProcSystem
    private let next: Collector

    init(next: Collector, actorSystem: ActorSystem) {
        self.next = next
        self.actorSystem = actorSystem
    }

    distributed func process(_ number: Int) async throws { try await next.add(mixed(number)) }
}

distributed actor Collector {
    typealias ActorSystem = ZProcSystem
    private var sum = 0

    distributed func add(_ number: Int) { sum &+= number }

    distributed func total() -> Int { sum }
}
