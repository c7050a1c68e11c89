// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import DequeModule
import HeapModule

/// Customers who go from station to station, and begin anew after the last: a model of clients that wait for answers.
///
/// Nothing is measured here; the same seed gives the same figures.
struct ClosedNetwork {
    /// Where customers are served in the order they come.
    struct Station {
        /// How many can be served at a time.
        var threads: Int
        /// Seconds of a processor for a customer, when the one before has just been served.
        var busy: Double
        /// Seconds more for one who comes when nobody is there, and has a thread woken.
        var waking: Double
        /// Which machine's processors it needs.
        var machine: Int
    }

    /// What a run has come to.
    struct Outcome {
        /// Rounds completed in a second.
        var rate: Double
        /// Seconds from the first station to the end of the last, sorted.
        var times: [Double]

        var median: Double { times.isEmpty ? .nan : times[times.count / 2] }
    }

    var stations: [Station]
    /// How many processors each machine has.
    var processors: [Int]
    var customers: Int
    /// Seconds that every customer spends elsewhere in each round, using nothing: on the way, or waiting to begin.
    var pause: Double

    /// Lets so many rounds pass; the first third does not count.
    func run(rounds: Int, seed: UInt64) -> Outcome {
        var run = NetworkRun(network: self, seed: seed)
        return run.outcome(rounds: rounds)
    }
}

/// The events of a network, in the order of their times.
private struct NetworkRun {
    private struct Event: Comparable {
        enum Kind { case arrival, served }
        var time: Double, number: Int, kind: Kind, customer: Int, station: Int

        static func < (left: Event, right: Event) -> Bool {
            (left.time, left.number) < (right.time, right.number)
        }
    }

    private struct Visit {
        var customer: Int, station: Int, seconds: Double
    }

    private let network: ClosedNetwork
    private var random: UInt64
    private var events = Heap<Event>()
    private var eventCount = 0
    /// Who waits at each station for one of its threads.
    private var waiting: [Deque<Int>]
    private var busyThreads: [Int]
    /// Who has a thread, and waits for a processor of each machine.
    private var ready: [Deque<Visit>]
    private var freeProcessors: [Int]
    private var begun: [Double]

    init(network: ClosedNetwork, seed: UInt64) {
        self.network = network
        random = seed
        waiting = Array(repeating: [], count: network.stations.count)
        busyThreads = Array(repeating: 0, count: network.stations.count)
        ready = Array(repeating: [], count: network.processors.count)
        freeProcessors = network.processors
        begun = Array(repeating: 0, count: network.customers)
    }

    mutating func outcome(rounds: Int) -> ClosedNetwork.Outcome {
        // They do not all begin at the same moment.
        for customer in 0..<network.customers { schedule(.arrival, customer, at: 0, after: network.pause * draw()) }
        var times: [Double] = [], done = 0, start = 0.0, now = 0.0
        let warmUp = rounds / 3
        while done < rounds, let event = events.popMin() {
            now = event.time
            switch event.kind {
            case .arrival: arrive(event.customer, at: event.station, now)
            case .served:
                leave(event.station, now)
                if event.station + 1 < network.stations.count {
                    arrive(event.customer, at: event.station + 1, now)
                } else {
                    done += 1
                    if done == warmUp { start = now }
                    if done > warmUp { times.append(now - begun[event.customer]) }
                    schedule(.arrival, event.customer, at: 0, after: now + network.pause)
                }
            }
        }
        times.sort()
        return ClosedNetwork.Outcome(rate: now > start ? Double(times.count) / (now - start) : 0, times: times)
    }

    private mutating func arrive(_ customer: Int, at station: Int, _ now: Double) {
        if station == 0 { begun[customer] = now }
        let place = network.stations[station]
        guard busyThreads[station] < place.threads else { return waiting[station].append(customer) }
        begin(customer, at: station, seconds: place.busy + (busyThreads[station] == 0 ? place.waking : 0), now)
    }

    private mutating func begin(_ customer: Int, at station: Int, seconds: Double, _ now: Double) {
        busyThreads[station] += 1
        // Between half and one and a half times the mean.
        ready[network.stations[station].machine].append(
            Visit(customer: customer, station: station, seconds: seconds * (0.5 + draw()))
        )
        dispatch(network.stations[station].machine, now)
    }

    private mutating func leave(_ station: Int, _ now: Double) {
        busyThreads[station] -= 1
        freeProcessors[network.stations[station].machine] += 1
        if let next = waiting[station].popFirst() {
            begin(next, at: station, seconds: network.stations[station].busy, now)
        }
        dispatch(network.stations[station].machine, now)
    }

    private mutating func dispatch(_ machine: Int, _ now: Double) {
        while freeProcessors[machine] > 0, let visit = ready[machine].popFirst() {
            freeProcessors[machine] -= 1
            schedule(.served, visit.customer, at: visit.station, after: now + visit.seconds)
        }
    }

    private mutating func schedule(_ kind: Event.Kind, _ customer: Int, at station: Int, after time: Double) {
        eventCount += 1
        events.insert(Event(time: time, number: eventCount, kind: kind, customer: customer, station: station))
    }

    /// From 0 to 1.
    private mutating func draw() -> Double {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Double(random >> 11) / Double(1 << 53)
    }
}
