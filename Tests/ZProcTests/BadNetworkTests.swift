// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProc
import ZProcCore

/// Hubs and clients with a network between them that delays, doubles, truncates, cuts and drops.
@Suite(.tags(.fault, .state), .timeLimit(.minutes(10))) struct BadNetworkTests {
    /// Whether links are encrypted.
    enum Encryption: String, CaseIterable { case plain, curve }

    /// Bytes that come twice are no longer what was sent, and without encryption nobody can tell.
    private static let cases = FaultyProxy.Fault.allCases.flatMap { fault in
        Encryption.allCases.filter { fault != .duplicate || $0 == .curve }.map { (fault, $0) }
    }

    /// Every change is made once and in order, and a watch sees each once, whatever the network does.
    @Test(arguments: cases)
    func nothingIsLostNorDoubled(by fault: FaultyProxy.Fault, _ encryption: Encryption) async throws {
        let wanted = Environment.number("ZPROC_NETWORK_FAULTS", default: fault == .drop ? 1 : 10)
        let random = SeededRandom.announced("network, \(fault)")
        let hub = try Context(.threads)
        var options = HubOptions(), credentials: Credentials?
        if encryption == .curve {
            let own = try KeyPair.generate(), client = try KeyPair.generate()
            options.keys = HubKeys(own: own, allowed: [client.publicKey: .writer])
            credentials = Credentials(own: client, hub: own.publicKey)
        }
        let place = try Endpoint(hub.publish(at: "tcp://127.0.0.1:*", options))
        let port = try #require(place.address.split(separator: ":").last.flatMap { Int($0) })
        let proxy = try FaultyProxy(to: port, rarity: 100, random: random)
        let address = "tcp://127.0.0.1:\(proxy.port)", patience = Duration.seconds(120)
        let client = try await Context(
            connectingTo: address,
            credentials: credentials,
            backend: .threads,
            patience: patience
        )
        let state = client.state
        try await state.set("count", to: 0)
        let watch = Task {
            var seen: [Int] = []
            for try await change in state.changes(of: "count") {
                let count = try change.after.get("count", default: 0)
                if count == -1 { break }
                seen.append(count)
            }
            return seen
        }
        // The watch has begun when it has seen something.
        proxy.set(fault)
        let workers = (0..<4).map { number in
            Task {
                var made = 0
                while made < 20 || proxy.faultCount < wanted {
                    try await state.increment("count")
                    try await state.append(made, to: "log-\(number)")
                    made += 1
                }
                return made
            }
        }
        var total = 0
        for (number, worker) in workers.enumerated() {
            let made = try await worker.value
            total += made
            #expect(try await hub.state.get("log-\(number)", as: [Int].self) == Array(0..<made))
        }
        #expect(try await hub.state.get("count", as: Int.self) == total)
        proxy.set(nil)
        try await state.set("count", to: -1)
        let seen = try await watch.value
        #expect(seen == Array((seen.first ?? 0)..<(seen.first ?? 0) + seen.count))
        #expect(seen.last == total)
        #expect(proxy.faultCount >= wanted)
        print(
            "network, \(fault), \(encryption): \(proxy.faultCount) faults, \(2 * total) acknowledged changes, lost 0, doubled 0"
        )
        await client.shutdown()
        proxy.close()
        await hub.shutdown()
    }

    /// A hub whose network has gone fails calls when it has been away for longer than the client's patience.
    @Test func aNetworkThatIsGoneIsAnError() async throws {
        try await withContext(.threads) { hub in
            let place = try Endpoint(hub.publish(at: "tcp://127.0.0.1:*"))
            let port = try #require(place.address.split(separator: ":").last.flatMap { Int($0) })
            let proxy = try FaultyProxy(to: port, rarity: 1, random: SeededRandom(state: 1))
            let client = try await Context(
                connectingTo: "tcp://127.0.0.1:\(proxy.port)",
                backend: .threads,
                patience: .seconds(1)
            )
            try await client.state.set("key", to: 1)
            proxy.set(.drop)
            let error = await #expect(throws: TransportError.self) { try await client.state.set("key", to: 2) }
            #expect(error.map { CallOutcome(of: $0) } == .unknown)
            #expect(try await hub.state.get("key", as: Int.self) == 1)
            proxy.set(nil)
            #expect(try await client.state.increment("key") == 2)
            await client.shutdown()
            proxy.close()
        }
    }
}
