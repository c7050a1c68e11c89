// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
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

    func run(_ count: Int, for span: Nanoseconds) async throws -> Result {
        let address = address, keys = keys
        return try await context.spawn(count, span) { count, span in
            let credentials = try keys?.credentials()
            var clients: [Context] = []
            for _ in 0..<count {
                clients.append(
                    try await Context(connectingTo: address, credentials: credentials, backend: .threads)
                )
            }
            let before = ThreadTimes.current, start = cbr_now()
            var times = Samples(), updates = 0
            try await withThrowingTaskGroup(of: (Samples, Int).self) { group in
                for (number, client) in clients.enumerated() {
                    group.addTask {
                        let state = client.state, key = "key \(number)"
                        var samples = Samples(), count = 0
                        let end = start + span
                        var before = cbr_now()
                        repeat {
                            _ = try await state.increment(key)
                            let after = cbr_now()
                            samples.record(Double(after - before))
                            before = after
                            count += 1
                        } while before < end
                        return (samples, count)
                    }
                }
                for try await (samples, count) in group {
                    times.add(samples)
                    updates += count
                }
            }
            var rate = Samples()
            rate.record(Double(updates) * 1e9 / Double(cbr_now() - start))
            let threads = ThreadTimes.current.since(before)
            for client in clients { await client.shutdown() }
            return Result(times: times, rate: rate, updates: updates, threads: threads)
        }.value
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
