// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import Synchronization
import ZProc

/// Programs that use a hub, here as contexts of one spawned process.
struct HubClients: Sendable {
    let context: Context, address: String, keys: KeyTexts?

    struct Result: Codable, Sendable {
        /// The time of an update, of each client.
        var times: Samples
        /// Updates in a second, of all.
        var rate: Samples
        var updates: Int
        /// Of all clients together.
        var threads: ThreadTimes
    }

    /// - Parameters:
    ///   - count: how many clients there are.
    ///   - span: for how long.
    ///   - transport: what they reach the hub over; those of other machines always do over ZeroMQ.
    /// - Returns: what they did.
    /// - Throws: what kept one of them from it.
    func run(
        _ count: Int,
        for span: Nanoseconds,
        over transport: ContextOptions.Transport = .unixSockets
    ) async throws -> Result {
        let address = address, keys = keys
        return try await context.spawn(count, span, transport) { count, span, transport in
            let credentials = try keys?.credentials()
            var options = ContextOptions()
            options.transport = transport
            let clientOptions = options
            let connected = Meeting(of: count + 1), done = Meeting(of: count + 1)
            return try await withThrowingTaskGroup(of: (Samples, Int).self) { group in
                for number in 0..<count {
                    group.addTask {
                        // Should it fail, nobody is to wait for it.
                        defer { for meeting in [connected, done] { meeting.attend(number) } }
                        return try await withContext(
                            connectingTo: address,
                            credentials: credentials,
                            backend: .threads,
                            options: clientOptions
                        ) { client in
                            await connected.wait(as: number)
                            let result = try await increment("key \(number)", of: client.state, for: span)
                            await done.wait(as: number)
                            return result
                        }
                    }
                }
                await connected.wait(as: count)
                let before = ThreadTimes.current, start = cbr_now()
                await done.wait(as: count)
                let time = Double(cbr_now() - start), threads = ThreadTimes.current.since(before)
                var times = Samples(), updates = 0
                for try await (samples, count) in group {
                    times.add(samples)
                    updates += count
                }
                var rate = Samples()
                rate.record(Double(updates) * 1e9 / time)
                return Result(times: times, rate: rate, updates: updates, threads: threads)
            }
        }.value
    }
}

/// Increments a number one time after the other.
private func increment(
    _ key: String,
    of state: SharedState,
    for span: Nanoseconds
) async throws -> (times: Samples, count: Int) {
    var samples = Samples(), count = 0
    var before = cbr_now()
    let end = before + span
    repeat {
        _ = try await state.increment(key)
        let after = cbr_now()
        samples.record(Double(after - before))
        before = after
        count += 1
    } while before < end
    return (samples, count)
}

/// Tasks that wait for each other once.
private final class Meeting: Sendable {
    private struct State {
        var missing: Set<Int>
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state: Mutex<State>

    init(of count: Int) { state = Mutex(State(missing: Set(0..<count))) }

    /// Is there, and waits for all others.
    func wait(as number: Int) async {
        await withCheckedContinuation { continuation in
            state.withLock { $0.waiting.append(continuation) }
            attend(number)
        }
    }

    /// Is there, and waits for nobody; once is enough.
    func attend(_ number: Int) {
        let released = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.missing.remove(number)
            guard state.missing.isEmpty else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in released { continuation.resume() }
    }
}

/// Keys as they travel to a process of this program.
struct KeyTexts: Codable, Sendable {
    var publicKey: PublicKey, secret: String, hub: PublicKey

    init(_ credentials: Credentials) {
        publicKey = credentials.own.publicKey
        secret = credentials.own.secretText
        hub = credentials.hub
    }

    func credentials() throws -> Credentials {
        guard let own = KeyPair(publicKey: publicKey, secretText: secret) else { throw BenchError("no keys") }
        return Credentials(own: own, hub: hub)
    }
}

func withHub<Result>(
    _ options: HubOptions = HubOptions(),
    _ credentials: Credentials? = nil,
    _ body: (HubClients) async throws -> Result
) async throws -> Result {
    try await withContext(.processes) { context in
        let address = try context.publish(at: "tcp://127.0.0.1:*", options)
        return try await body(HubClients(context: context, address: address, keys: credentials.map(KeyTexts.init)))
    }
}
