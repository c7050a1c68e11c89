// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import Glibc
import ZProc
import ZProcComparison

/// Seconds of a processor that one request takes, by where it passes.
struct MessageCosts: Codable {
    /// Whoever asks, all threads together.
    var asker: Double
    /// libzmq's thread of the one that answers.
    var transport: Double
    /// The other threads of the one that answers: one of them works at a time.
    var answerer: Double

    var sum: Double { asker + transport + answerer }

    /// Whether they can be believed.
    var areKnown: Bool { [asker, transport, answerer].allSatisfy { $0.isFinite && $0 > 0 } }

    /// A part less than zero is none.
    func over(_ other: MessageCosts) -> MessageCosts {
        MessageCosts(
            asker: max(0, asker - other.asker),
            transport: max(0, transport - other.transport),
            answerer: max(0, answerer - other.answerer)
        )
    }
}

/// What a number of clients, or workers, was seen to do.
struct ScaleRun: Codable {
    var count: Int
    /// Requests in a second, of all.
    var rate: Double
    /// The median of the seconds that one took; nil where nobody timed them.
    var median: Double?
    var costs: MessageCosts
}

/// Runs clients that wait for each answer before they ask again.
///
/// - Returns: What they did, and what it cost; connecting is left out.
func runClients(_ count: Int, seconds: Double) async throws -> ScaleRun {
    try await withHub { clients in
        // What a short run cost, too, is taken from the long one.
        let zero = ThreadTimes.current
        let short = try await clients.run(count, for: Nanoseconds(seconds * 1e8), over: .zeroMQ)
        let first = ThreadTimes.current
        let long = try await clients.run(count, for: Nanoseconds(seconds * 1e9), over: .zeroMQ)
        let second = ThreadTimes.current
        let updates = Double(max(1, long.updates - short.updates)) * 1e9
        let (own, before) = (second.since(first), first.since(zero))
        return ScaleRun(
            count: count,
            rate: long.rate.median,
            median: long.times.median / 1e9,
            costs: MessageCosts(
                asker: (Double(long.threads.transport + long.threads.others)
                    - Double(short.threads.transport + short.threads.others)) / updates,
                transport: (Double(own.transport) - Double(before.transport)) / updates,
                answerer: (Double(own.others) - Double(before.others)) / updates
            )
        )
    }
}

/// Runs workers on items that take `pause` and no processor.
///
/// They are asked over ZeroMQ, as workers on other machines are.
///
/// - Returns: What they did, and what it cost; their start is left out.
func runWorkers(_ count: Int, pause: Double, items: Int) async throws -> ScaleRun {
    func run(_ items: Int) async throws -> (seconds: Double, own: ThreadTimes, children: Double) {
        let children = childSeconds()
        var options = ContextOptions()
        options.transport = .zeroMQ
        let (seconds, own) = try await withContext(.processes, options: options) { context in
            let swarm = try context.swarm(workers: count)
            var options = MapOptions()
            options.chunkSize = 1
            // All have started when each has had something to do.
            try await swarm.forEach(0..<4 * count, options: options) { _ in try await Task.sleep(for: .seconds(pause)) }
            let before = ThreadTimes.current, start = cbr_now()
            try await swarm.forEach(0..<items, options: options) { _ in try await Task.sleep(for: .seconds(pause)) }
            return (Double(cbr_now() - start) / 1e9, ThreadTimes.current.since(before))
        }
        return (seconds, own, childSeconds() - children)
    }
    let short = try await run(items / 10), long = try await run(items)
    let counted = Double(items - items / 10)
    return ScaleRun(
        count: count,
        rate: Double(items) / long.seconds,
        median: nil,
        costs: MessageCosts(
            asker: (long.children - short.children) / counted,
            transport: (Double(long.own.transport) - Double(short.own.transport)) / counted / 1e9,
            answerer: (Double(long.own.others) - Double(short.own.others)) / counted / 1e9
        )
    )
}

/// The processor time of processes that have ended.
private func childSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}
