// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Synchronization
import Testing
import ZProc
import ZProcCore
import ZeroMQ

/// Methods with long names go by numbers when they are called again.
@Suite(.timeLimit(.minutes(5))) struct AliasTests {
    static let long = "a method with a long name"

    // MARK: The table

    @Test func numbersAreGivenOneAfterTheOther() {
        var table = AliasTable<String>()
        for (method, alias, isRight) in [
            ("a gap", 1, false), ("first", 0, true), ("again", 0, false), ("second", 1, true), ("a gap", 3, false),
        ] as [(String, UInt64, Bool)] {
            let isAdded = table.add(method, as: alias)
            #expect(isAdded == isRight, "\(method)")
        }
        #expect(table[0] == "first" && table[1] == "second" && table[2] == nil && table[.max] == nil)
        #expect(table.first { $0 == "second" } == 1 && table.first { $0 == "third" } == nil)
        while let next = table.next {
            let isAdded = table.add("\(next)", as: next)
            #expect(isAdded)
        }
        let most = UInt64(AliasTable<String>.mostCount), isBeyond = table.add("too many", as: most)
        #expect(!isBeyond && table[most - 1] == "\(most - 1)")
    }

    // MARK: The caller

    @Test func aLongNameIsSaidOnce() async throws {
        try await withPeer(ofSameProgram: true) { call, received in
            for _ in 0..<3 { try await call("oven", Self.long) }
            try await call("pan", Self.long)
            try await call("pan", Self.long)
            try await call("oven", Self.long)
            #expect(
                received() == ["0 = oven", "oven", "0", "0", "1 = pan", "pan", "1", "0"],
                "its name, and then its number"
            )
        }
    }

    @Test func aShortNameIsSaidEachTime() async throws {
        try await withPeer(ofSameProgram: true) { call, received in
            for _ in 0..<3 { try await call("oven", "bake") }
            #expect(received() == ["oven", "oven", "oven"])
        }
    }

    /// Other programs need not know of it.
    @Test func anotherProgramIsToldNamesOnly() async throws {
        try await withPeer(ofSameProgram: false) { call, received in
            for _ in 0..<3 { try await call("oven", Self.long) }
            #expect(received() == ["oven", "oven", "oven"])
        }
    }

    @Test func whatHasNoNumberIsCalledByItsName() async throws {
        try await withPeer(ofSameProgram: true) { call, received in
            let endless = String(repeating: "m", count: AliasTable<String>.mostByteCount)
            for _ in 0..<2 { try await call("oven", endless) }
            #expect(received() == ["oven", "oven"])
            let methods = (0..<AliasTable<String>.mostCount + 10).map { "\(Self.long) \($0)" }
            for _ in 0..<2 { for method in methods { try await call("oven", method) } }
            #expect(received().count { $0.contains("=") } == AliasTable<String>.mostCount)
            #expect(received().count { Int($0) != nil } == AliasTable<String>.mostCount)
        }
    }

    /// No call overtakes what says what its number stands for.
    @Test func callsOfManyTasksFindTheirMethods() async throws {
        for _ in 0..<20 {
            try await withPeer(ofSameProgram: true) { call, _ in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<200 {
                        group.addTask {
                            let method = "\(Self.long) \(number % 5)"
                            try await call("oven", method)
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }
    }

    /// Gives `body` a function that calls a peer, which says what it takes the call for, and one that says what the peer has
    /// been sent.
    private func withPeer(
        ofSameProgram isSame: Bool,
        _ body: (
            _ call: @escaping @Sendable (_ service: String, _ method: String) async throws -> Void,
            _ received: () -> [String]
        ) async throws -> Void
    ) async throws {
        let transport = InProcessTransport(), listener = try transport.listen(at: Endpoint(.inproc, "*"))
        let peer = Peer(listener, isSame: isSame), caller = try Context(.threads)
        try listener.start(peer)
        let address = NodeAddress(endpoint: listener.endpoint, node: peer.node)
        let call = { @Sendable (service: String, method: String) in
            let answer = try await caller.system.call(service, method, arguments: [0x90], at: address)
            let name = try MessagePackDecoder().decode(String.self, from: Array(answer))
            #expect(name == "\(service).\(method)")
        }
        try await body(call) { peer.received.withLock(\.self) }
        await caller.shutdown()
        await transport.shutdown()
    }

    // MARK: The hub

    /// Whatever a client says of numbers, the hub goes on, and carries out what it has understood.
    @Test func aHubTakesTheNextNumbersOnly() async throws {
        try await withContext(.threads) { hub in
            let zmq = try SocketContext(), socket = try zmq.makeSocket(.dealer)
            try socket.connect(to: hub.publish(at: "tcp://127.0.0.1:*"))
            let hello = Envelope.hello(PeerInfo(build: "other", node: .random(), processID: 1))
            func answer(to envelopes: Envelope...) async throws -> Envelope {
                for envelope in envelopes { try await socket.send(Message(envelope.encoded())) }
                return try Envelope(decoding: Array(try await socket.receive()))
            }
            func ping(_ id: UInt64, _ alias: UInt64) -> Envelope {
                .aliasedCall(CallID(id), alias: alias, arguments: [0x90])
            }
            func isRefused(_ envelope: Envelope) -> Bool { if case .refused = envelope { true } else { false } }
            func id(_ envelope: Envelope) -> UInt64? {
                if case .success(let id, _) = envelope { id.number } else { nil }
            }
            #expect(try await isRefused(answer(to: .alias(0, service: "hub", method: "ping"))))
            #expect(try await isRefused(answer(to: ping(1, 0))))
            _ = try await answer(to: hello)
            #expect(try await isRefused(answer(to: ping(2, 0))))
            #expect(try await isRefused(answer(to: .alias(1, service: "hub", method: "ping"))))
            let endless = String(repeating: "m", count: AliasTable<String>.mostByteCount)
            #expect(try await isRefused(answer(to: .alias(0, service: "hub", method: endless))))
            #expect(try await id(answer(to: .alias(0, service: "hub", method: "ping"), ping(3, 0))) == 3)
            #expect(try await isRefused(answer(to: .alias(0, service: "hub", method: "processes"))))
            // Nothing is said to that.
            try await socket.send(Message(Envelope.alias(0, service: "hub", method: "ping").encoded()))
            #expect(try await id(answer(to: ping(4, 0))) == 4)
            guard case .failure(_, let error) = try await answer(to: .alias(1, service: "x", method: "y"), ping(5, 1))
            else { throw Unexpected() }
            #expect(error.code == "noService")
            for number in 2..<UInt64(AliasTable<String>.mostCount) {
                #expect(
                    try await id(answer(to: .alias(number, service: "hub", method: "ping"), ping(4 + number, number)))
                        != nil
                )
            }
            let next = UInt64(AliasTable<String>.mostCount)
            #expect(try await isRefused(answer(to: .alias(next, service: "hub", method: "ping"))))
            socket.close()
            await zmq.shutdown()
        }
    }

    /// A number gives nobody a right.
    @Test func whatIsForbiddenIsForbiddenByItsNumberToo() async throws {
        let hubKeys = try KeyPair.generate(), own = try KeyPair.generate()
        let keys = HubKeys(own: hubKeys, allowed: [own.publicKey: .reader])
        try await withContext(.threads) { hub in
            let zmq = try SocketContext(), socket = try zmq.makeSocket(.dealer)
            let secret = try #require(CurveKey(bytes: own.secretBytes)),
                server = try #require(CurveKey(bytes: hubKeys.publicKey.bytes))
            let pair = CurveKeyPair(publicKey: try #require(CurveKey(bytes: own.publicKey.bytes)), secretKey: secret)
            try socket.useCurve(with: pair, server: server)
            try socket.connect(to: hub.publish(at: "tcp://127.0.0.1:*", HubOptions(keys: keys)))
            for envelope: Envelope in [
                .hello(PeerInfo(build: "other", node: .random(), processID: 1)),
                .alias(0, service: "state", method: "clear"), .alias(1, service: "state", method: "namespaces"),
                .aliasedCall(CallID(1), alias: 0, arguments: [0x90]),
                .aliasedCall(CallID(2), alias: 1, arguments: [0x90]),
            ] { try await socket.send(Message(envelope.encoded())) }
            var outcomes: [String] = []
            while outcomes.count < 2 {
                switch try Envelope(decoding: Array(try await socket.receive())) {
                case .failure(let id, let error): outcomes.append("\(id.number) \(error.code)")
                case .success(let id, _): outcomes.append("\(id.number)")
                default: break
                }
            }
            #expect(outcomes.sorted() == ["1 forbidden", "2"])
            socket.close()
            await zmq.shutdown()
        }
    }

    private struct Unexpected: Error {}
}

/// A node that answers each call with the name of what was called.
private final class Peer: ListenerReceiver {
    let node = NodeID.random()
    private let listener: any TransportListener
    private let isSame: Bool
    /// What each message said: `number = service`, `service` of a call by name, or the number of one by number.
    let received = Mutex<[String]>([])
    private let aliases = Mutex(AliasTable<String>())

    init(_ listener: any TransportListener, isSame: Bool) {
        self.listener = listener
        self.isSame = isSame
    }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        switch try? Envelope(decoding: message) {
        case .hello(let caller):
            let info = PeerInfo(build: isSame ? caller.build : "another", node: node, processID: 4_711)
            try? listener.send(Envelope.welcome(info).encoded(), to: peer)
        case .call(let id, let service, let method, _, _, _):
            received.withLock { $0.append(service) }
            answer(id, "\(service).\(method)", peer)
        case .alias(let alias, let service, let method):
            received.withLock { $0.append("\(alias) = \(service)") }
            let isNext = aliases.withLock { $0.add("\(service).\(method)", as: alias) }
            #expect(isNext, "a hub takes the next number only")
        case .aliasedCall(let id, let alias, _):
            received.withLock { $0.append("\(alias)") }
            answer(id, aliases.withLock { $0[alias] } ?? "nothing", peer)
        case let other: Issue.record(Comment(rawValue: "\(other, default: "no message")"))
        }
    }

    private func answer(_ id: CallID, _ text: String, _ peer: PeerID) {
        let result = (try? MessagePackEncoder().encode(text)) ?? []
        try? listener.send(Envelope.success(id, result: result[...]).encoded(), to: peer)
    }

    func listenerLost(_ peer: PeerID) {}
}
