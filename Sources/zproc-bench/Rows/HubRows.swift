// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import ZProc

extension Row {
    /// A published context and clients that have joined it at its address, in a process of their own.
    ///
    /// It is one for tcp, from which they move to the hub's socket on the machine; where the reference is libzmq, they stay.
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
        }
        + [16, 128].map { count in
            Row(
                "hub.clients.\(count).echo",
                on: .processes,
                in: .updatesPerSecond,
                against: CEchoClients.name(count),
                reach: .atLeast(0.6)
            ) { turns in
                let echo = try CEchoClients()
                return try await withHub { clients in
                    try await turns.alternate {
                        try echo.rate(count, for: $0)
                    } ours: {
                        try await clients.run(count, for: $0, over: .zeroMQ).rate
                    }
                }
            }
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
                            try await plain.run(16, for: $0, over: .zeroMQ).rate
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
