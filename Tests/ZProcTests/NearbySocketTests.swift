// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import MessagePack
import Testing
import ZProc
import ZProcCore
import ZProcTransports
import ZeroMQ

/// Clients on the hub's own machine go on over a socket of it, as far as they may.
@Suite(.tags(.state, .process, .fault), .timeLimit(.minutes(5))) struct NearbySocketTests {
    /// Who moves, and from where.
    @Test(arguments: HubWay.allCases) func aClientMovesUnlessItIsToStay(over way: HubWay) async throws {
        try await withTemporaryDirectory { directory in
            let port = try freePort()
            try await withContext(.threads) { hub in
                let address = try hub.publish(at: way.address(in: directory, port: String(port)))
                try await withContext(connectingTo: address, backend: .threads, options: way.options) { client in
                    try await client.state.set("key", to: 1)
                    #expect(try await client.ping().hub.clients == 1)
                    if way == .tcp { #expect(try connectionCount(at: port) == 1) }
                    if way == .nearby { try await eventually { try connectionCount(at: port) == 0 } }
                    try await client.state.set("key", to: 2)
                }
                #expect(try await hub.state.get("key", as: Int.self) == 2)
            }
        }
    }

    @Test func aClientOverIPCMoves() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/hub"
            try await withContext(.threads) { hub in
                let address = try hub.publish(at: "ipc://\(path)")
                for (options, count) in [(HubWay.ipc.options, 1), (HubWay.nearby.options, 0)] {
                    try await withContext(connectingTo: address, backend: .threads, options: options) { client in
                        try await client.state.increment("count")
                        try await eventually { try connectionCount(at: path) == count }
                    }
                    try await eventually { try connectionCount(at: path) == 0 }
                }
            }
        }
    }

    /// Also a hub that sockets are not to be used by, and one that knows who is who by keys.
    @Test(arguments: [false, true]) func aHubMayHaveNone(butKeys hasKeys: Bool) async throws {
        let own = try KeyPair.generate(), guest = try KeyPair.generate(), port = try freePort()
        let keys = HubKeys(own: own, allowed: [guest.publicKey: .writer])
        let options = hasKeys ? ContextOptions() : HubWay.tcp.options
        try await withContext(.threads, options: options) { hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:\(port)", HubOptions(keys: hasKeys ? keys : nil))
            let credentials = hasKeys ? Credentials(own: guest, hub: own.publicKey) : nil
            try await withContext(connectingTo: address, credentials: credentials, backend: .threads) { client in
                for _ in 0..<3 { try await client.state.increment("count") }
                #expect(try await client.ping().hub.clients == 1)
                #expect(try connectionCount(at: port) == 1)
            }
        }
    }

    /// What stands between a client and its hub stays there.
    @Test func aClientOfAProxyStays() async throws {
        try await withContext(.threads) { hub in
            let port = try freePort()
            try hub.publish(at: "tcp://127.0.0.1:\(port)")
            let proxy = try FaultyProxy(to: port, rarity: 1, random: SeededRandom(state: 1))
            let address = "tcp://127.0.0.1:\(proxy.port)"
            try await withContext(connectingTo: address, backend: .threads) { client in
                for _ in 0..<3 { try await client.state.increment("count") }
                #expect(try await client.ping().hub.clients == 1)
                #expect(try connectionCount(at: port) == 1)
            }
            proxy.close()
        }
    }

    /// What may stand where the socket was.
    enum Obstacle: CaseIterable, Sendable {
        case nothing, deafSocket, otherHub, openDirectory
    }

    /// A client that cannot move stays, whatever it finds.
    @Test(arguments: Obstacle.allCases) func aClientThatCannotMoveStays(_ obstacle: Obstacle) async throws {
        try await withTemporaryDirectory { directory in
            try await withContext(.processes) { context in
                let port = try freePort()
                let hub = try await context.spawn(options: Self.options(directory)) { try await serve(at: port) }
                try await eventually { Self.sockets(in: directory).count == 1 }
                let socket = try #require(Self.sockets(in: directory).first)
                var deaf: Int32 = -1
                switch obstacle {
                case .nothing: unlink(socket)
                case .deafSocket:
                    unlink(socket)
                    deaf = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
                    let isListening = withSocketAddress(socket) { bind(deaf, $0, $1) } == 0 && listen(deaf, 8) == 0
                    try #require(isListening)
                case .otherHub:
                    let otherPort = try freePort()
                    _ = try await context.spawn(options: Self.options(directory)) { try await serve(at: otherPort) }
                    try await eventually { Self.sockets(in: directory).count == 2 }
                    let other = try #require(Self.sockets(in: directory).first { $0 != socket })
                    try #require(rename(other, socket) == 0)
                case .openDirectory: chmod(String(socket[..<(try #require(socket.lastIndex(of: "/")))]), 0o755)
                }
                let address = "tcp://127.0.0.1:\(port)"
                try await withContext(connectingTo: address, backend: .threads) { client in
                    for count in 1...3 { #expect(try await client.state.increment("count") == count) }
                    let info = try await client.ping().hub
                    #expect(info.processID == hub.pid)
                    #expect(info.clients == 1)
                    #expect(try connectionCount(at: port) == 1)
                }
                if deaf >= 0 { close(deaf) }
            }
        }
    }

    /// One that has moved is no second one.
    @Test func aClientThatMovesCountsOnce() async throws {
        try await withContext(.threads) { hub in
            var options = HubOptions()
            options.limits.peers = 1
            let address = try hub.publish(at: "tcp://127.0.0.1:*", options)
            for _ in 0..<20 {
                var arrived: Context?
                try await eventually {
                    arrived = try? await Context(connectingTo: address, backend: .threads)
                    return arrived != nil
                }
                let client = try #require(arrived)
                try await client.state.increment("count")
                for options in [HubWay.tcp.options, HubWay.nearby.options] {
                    let error = await #expect(throws: TransportError.self) {
                        _ = try await Context(connectingTo: address, backend: .threads, options: options)
                    }
                    #expect(error?.code == .refused)
                }
                #expect(try await client.ping().hub.clients == 1)
                await client.shutdown()
            }
        }
    }

    /// A hub that comes back has another socket.
    @Test func aClientMovesAgain() async throws {
        let port = try freePort(), address = "tcp://127.0.0.1:\(port)"
        var hub = try Context(.threads)
        try hub.publish(at: address)
        let client = try await Context(connectingTo: address, backend: .threads)
        for _ in 0..<5 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 { group.addTask { try await client.state.increment("count") } }
                try await group.waitForAll()
            }
            try await eventually { try connectionCount(at: port) == 0 }
            #expect(try await hub.state.get("count", as: Int.self) == 50)
            await hub.shutdown()
            hub = try Context(.threads)
            try await hub.publishWhenFree(at: address)
        }
        await client.shutdown()
        await hub.shutdown()
    }

    @Test(arguments: HubWay.allCases) func whatAClientSpawnsGoesTheSameWay(over way: HubWay) async throws {
        try await withTemporaryDirectory { directory in
            let port = try freePort()
            try await withContext(.threads) { hub in
                let address = try hub.publish(at: way.address(in: directory, port: String(port)))
                try await withContext(connectingTo: address, options: way.options) { client in
                    let state = client.state
                    let process = try await client.spawn {
                        try await state.set("is there", to: true)
                        _ = try await state.first { $0["may end", default: false] }
                    }
                    try await eventually { try await hub.state.get("is there", default: false) }
                    if way == .tcp { #expect(try connectionCount(at: port) == 2) }
                    if way == .nearby { try await eventually { try connectionCount(at: port) == 0 } }
                    #expect(try await client.ping().hub.clients == 2)
                    try await hub.state.set("may end", to: true)
                    try await process.value
                }
            }
        }
    }

    /// Who has asked where to go on is a stranger until it says hello, there or here.
    @Test func aClientThatHasAskedSaysHelloAnew() async throws {
        try await withContext(.threads) { hub in
            let zmq = try SocketContext(), socket = try zmq.makeSocket(.dealer)
            let address = try hub.publish(at: "tcp://127.0.0.1:*")
            let witness = try await Context(connectingTo: address, backend: .threads)
            try socket.connect(to: address)
            func answer(to envelope: Envelope) async throws -> Envelope {
                try await socket.send(Message(envelope.encoded()))
                return try Envelope(decoding: Array(try await socket.receive()))
            }
            let hello = Envelope.hello(PeerInfo(build: "other", node: .random(), processID: 1))
            func call(_ id: UInt64, _ method: String) -> Envelope {
                .call(CallID(id), service: "hub", method: method, arguments: [0x90])
            }
            for round in 0..<3 as Range<UInt64> {
                guard case .welcome = try await answer(to: hello) else { throw Unexpected() }
                guard case .success(CallID(2 * round + 1), _) = try await answer(to: call(2 * round + 1, "ping")),
                    case .success(_, let result) = try await answer(to: call(2 * round + 2, "move"))
                else { throw Unexpected() }
                let texts = try MessagePackDecoder().decode([String].self, from: result)
                #expect(texts.count == 2)
                #expect(texts.first == address)
                #expect(texts.last?.hasPrefix("unix:///") == true)
                guard case .refused(let reason) = try await answer(to: call(100, "ping")) else { throw Unexpected() }
                #expect(reason.contains("hello"))
                #expect(try await witness.ping().hub.clients == 1)
            }
            await witness.shutdown()
            socket.close()
            await zmq.shutdown()
        }
    }

    /// A hub may not send its clients to any other socket of theirs.
    @Test(arguments: [
        [ownAddress, "unix:///tmp/near-1"], [ownAddress, "unix:///tmp/zproc-0-x/../near-1"],
        [ownAddress, "unix:///tmp/zproc-0-x/near-1", "more"], [ownAddress, "tcp://127.0.0.1:2"], [ownAddress],
        ["x", "y"], ["", ""], [],
    ]) func aHubCannotSendItsClientsAnywhere(_ texts: [String]) async throws {
        let transport = ZeroMQTransport(), port = try freePort()
        let listener = try transport.listen(at: Endpoint("tcp://127.0.0.1:\(port)"))
        let said = try MessagePackEncoder().encode(texts.map { $0 == Self.ownAddress ? "tcp://127.0.0.1:\(port)" : $0 })
        try listener.start(MisleadingHub(listener, saying: said))
        let client = try await Context(connectingTo: "tcp://127.0.0.1:\(port)", backend: .threads)
        let error = await #expect(throws: (any Error).self) { _ = try await client.ping() }
        #expect(error.map { "\($0)" }?.contains("asked here") == true)
        await client.shutdown()
        await transport.shutdown()
    }

    /// Stands for the address that the client connects to.
    private static let ownAddress = "tcp://127.0.0.1:1"

    // MARK: Helpers

    private struct Unexpected: Error {}

    /// Has a program put its sockets into a directory.
    private static func options(_ directory: String) -> ProcessOptions {
        var options = ProcessOptions()
        options.environment["XDG_RUNTIME_DIR"] = directory
        return options
    }

    /// The sockets for clients of the hubs in a directory.
    private static func sockets(in directory: String) -> [String] {
        files(in: directory).flatMap { name in
            files(in: "\(directory)/\(name)").filter { $0 == "near-1" }.map { "\(directory)/\(name)/\($0)" }
        }
    }
}

private func serve(at port: Int) async throws {
    let hub = try Context(.threads)
    try hub.publish(at: "tcp://127.0.0.1:\(port)")
    try await Task.sleep(for: .seconds(10_000))
}

/// The connections to a port of the loopback that stand.
private func connectionCount(at port: Int) throws -> Int {
    let place = "0100007F:" + hex(port)
    return try read("/proc/net/tcp", limit: 1 << 20).split(separator: "\n").count { line in
        let fields = line.split(separator: " ")
        return fields.count > 3 && fields[1] == place && fields[3] == "01"
    }
}

/// The connections to a socket in the file system that stand.
private func connectionCount(at path: String) throws -> Int {
    try read("/proc/net/unix", limit: 1 << 20).split(separator: "\n").count { line in
        let fields = line.split(separator: " ")
        return fields.count > 7 && fields[7] == path && fields[5] == "03"
    }
}

private func hex(_ port: Int) -> String {
    let text = String(port, radix: 16, uppercase: true)
    return String(repeating: "0", count: 4 - text.count) + text
}

/// A hub that says where its clients should go on.
private final class MisleadingHub: ListenerReceiver {
    private let listener: any TransportListener
    private let said: [UInt8]
    private let info = PeerInfo(build: "other", node: .random(), processID: 1)

    init(_ listener: any TransportListener, saying said: [UInt8]) {
        self.listener = listener
        self.said = said
    }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        switch try? Envelope(decoding: message) {
        case .hello: answer(.welcome(info), peer)
        case .call(let id, _, "move", _, _, _): answer(.success(id, result: said[...]), peer)
        case .call(let id, _, _, _, _, _): answer(.failure(id, WireError(code: "none", message: "asked here")), peer)
        case let other: Issue.record(Comment(rawValue: "\(other, default: "no message")"))
        }
    }

    private func answer(_ envelope: Envelope, _ peer: PeerID) { try? listener.send(envelope.encoded(), to: peer) }
    func listenerLost(_ peer: PeerID) {}
}
