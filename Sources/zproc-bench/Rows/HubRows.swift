// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import ZProc

extension Row {
    /// A published context and clients that have joined it over tcp, in a process of their own.
    static let hubs: [Row] =
        [1, 16, 128].flatMap { count in
            [
                Row(
                    "hub.clients.\(count)",
                    on: .processes,
                    in: .updatesPerSecond,
                    against: CEcho.throughputName,
                    reach: .atLeast(count == 1 ? 0.002 : 0.02)
                ) { turns in
                    let echo = try CEcho()
                    return try await withHub { clients in
                        try await turns.alternate {
                            try echo.throughput(for: $0)
                        } ours: {
                            try await clients.run(count, for: $0).rate
                        }
                    }
                },
                Row(
                    "hub.latency.\(count)",
                    on: .processes,
                    in: .microseconds,
                    against: CEcho.latencyName,
                    reach: .atMost(3 * Double(count))
                ) { turns in
                    let echo = try CEcho()
                    return try await withHub { clients in
                        try await turns.alternate {
                            try echo.latency(for: $0)
                        } ours: {
                            try await clients.run(count, for: $0).times
                        }
                    }
                },
            ]
        } + [
            Row(
                "hub.curve",
                on: .processes,
                in: .updatesPerSecond,
                against: "the same without keys",
                reach: .atLeast(0.5)
            ) { turns in
                let hubKeys = try KeyPair.generate(), own = try KeyPair.generate()
                let keys = HubKeys(own: hubKeys, allowed: [own.publicKey: .writer])
                return try await withHub { plain in
                    try await withHub(HubOptions(keys: keys), Credentials(own: own, hub: hubKeys.publicKey)) {
                        encrypted in
                        try await turns.alternate {
                            try await plain.run(16, for: $0).rate
                        } ours: {
                            try await encrypted.run(16, for: $0).rate
                        }
                    }
                }
            },
            Row(
                "hub.reconnect",
                on: .threads,
                in: .microseconds,
                against: CEcho.latencyName,
                reach: .atMost(5_000)
            ) { turns in
                let echo = try CEcho()
                return try await turns.alternate {
                    try echo.latency(for: $0)
                } ours: {
                    try await HubReturn.sample(for: $0)
                }
            },
        ]
}

/// Programs that use a hub, here as contexts of one spawned process.
private struct HubClients: Sendable {
    let context: Context, address: String, keys: KeyTexts?

    struct Result: Codable, Sendable {
        /// The time of an update, of each client.
        var times: Samples
        /// Updates in a second, of all.
        var rate: Samples
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
            let start = cbr_now()
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
            for client in clients { await client.shutdown() }
            return Result(times: times, rate: rate)
        }.value
    }
}

/// Keys as they travel to a process of this program.
private struct KeyTexts: Codable, Sendable {
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

private func withHub<Result>(
    _ options: HubOptions = HubOptions(),
    _ credentials: Credentials? = nil,
    _ body: (HubClients) async throws -> Result
) async throws -> Result {
    try await withContext(.processes) { context in
        let address = try context.publish(at: "tcp://127.0.0.1:*", options)
        return try await body(HubClients(context: context, address: address, keys: credentials.map(KeyTexts.init)))
    }
}

/// A hub that goes away and comes back at the same address.
private enum HubReturn {
    /// The time from when a hub listens again to the answer of a call that has waited for it.
    static func sample(for span: Nanoseconds) async throws -> Samples {
        var samples = Samples()
        var hub = try Context(.threads)
        let address = try hub.publish(at: "tcp://127.0.0.1:*")
        let client = try await Context(connectingTo: address, backend: .threads), state = client.state
        _ = try await state.increment("count")
        let end = cbr_now() + span
        repeat {
            await hub.shutdown()
            let answer = Task {
                _ = try await state.increment("count")
                return cbr_now()
            }
            hub = try Context(.threads)
            try hub.publish(at: address)
            let back = cbr_now()
            samples.record(Double(max(0, Int64(try await answer.value) - Int64(back))))
        } while cbr_now() < end
        await client.shutdown()
        await hub.shutdown()
        return samples
    }
}
