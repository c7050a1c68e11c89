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
            try await withContext(.threads) { hub in
                let address = try hub.publish(at: way.address(in: directory)), port = Self.port(of: address)
                try await withContext(connectingTo: address, backend: .threads, options: way.options) { client in
                    try await client.state.set("key", to: 1)
                    #expect(try await client.ping().hub.clients == 1)
                    if way == .tcp { try await eventually { try connectionCount(at: port) == 1 } }
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
        let own = try KeyPair.generate(), guest = try KeyPair.generate()
        let keys = HubKeys(own: own, allowed: [guest.publicKey: .writer])
        let options = hasKeys ? ContextOptions() : HubWay.tcp.options
        try await withContext(.threads, options: options) { hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*", HubOptions(keys: hasKeys ? keys : nil))
            let port = Self.port(of: address)
            let credentials = hasKeys ? Credentials(own: guest, hub: own.publicKey) : nil
            try await withContext(connectingTo: address, credentials: credentials, backend: .threads) { client in
                for _ in 0..<3 { try await client.state.increment("count") }
                #expect(try await client.ping().hub.clients == 1)
                try await eventually { try connectionCount(at: port) == 1 }
            }
        }
    }

    /// What stands between a client and its hub stays there.
    @Test func aClientOfAProxyStays() async throws {
        try await withContext(.threads) { hub in
            let port = Self.port(of: try hub.publish(at: "tcp://127.0.0.1:*"))
            let proxy = try FaultyProxy(to: port, rarity: 1, random: SeededRandom(state: 1))
            let address = "tcp://127.0.0.1:\(proxy.port)"
            try await withContext(connectingTo: address, backend: .threads) { client in
                try await client.state.increment("count")
                proxy.set(.delay)
                for _ in 0..<3 { try await client.state.increment("count") }
                #expect(proxy.faultCount >= 6, "it passes on what is asked and what is answered")
                #expect(try await client.ping().hub.clients == 1)
            }
            proxy.close()
        }
    }

    /// What may stand where the socket was.
    enum Obstacle: CaseIterable, Sendable {
        case none, nothing, deafSocket, otherHub, openDirectory
    }

    /// A client that cannot move stays, whatever it finds; without an obstacle it moves.
    @Test(arguments: Obstacle.allCases) func aClientThatCannotMoveStays(_ obstacle: Obstacle) async throws {
        let staying = obstacle == .none ? 0 : 1
        try await withTemporaryDirectory { directory in
            try await withContext(.processes) { context in
                let state = context.state
                let hub = try await context.spawn(options: Self.options(directory)) { try await serve("one", state) }
                let address = try #require(try await state.first { $0["one", default: ""] != "" })["one", default: ""]
                let port = Self.port(of: address)
                let socket = try #require(Self.sockets(in: directory).first)
                var deaf: Int32 = -1
                switch obstacle {
                case .none: break
                case .nothing: unlink(socket)
                case .deafSocket:
                    unlink(socket)
                    deaf = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
                    let isListening = withSocketAddress(socket) { bind(deaf, $0, $1) } == 0 && listen(deaf, 8) == 0
                    try #require(isListening)
                case .otherHub:
                    _ = try await context.spawn(options: Self.options(directory)) { try await serve("two", state) }
                    _ = try await state.first { $0["two", default: ""] != "" }
                    let other = try #require(Self.sockets(in: directory).first { $0 != socket })
                    try #require(rename(other, socket) == 0)
                case .openDirectory: chmod(String(socket[..<(try #require(socket.lastIndex(of: "/")))]), 0o755)
                }
                // Of a program that has its sockets there, too.
                let seen = try await context.spawn(port, staying, options: Self.options(directory)) { port, staying in
                    try await withContext(connectingTo: "tcp://127.0.0.1:\(port)", backend: .threads) { client in
                        var seen: [Int] = []
                        for _ in 1...3 { seen.append(try await client.state.increment("count")) }
                        let hub = try await client.ping().hub
                        try await eventually { try connectionCount(at: port) == staying }
                        return seen + [hub.processID, hub.clients]
                    }
                }.value
                #expect(seen == [1, 2, 3, try #require(hub.pid), 1])
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
        var hub = try Context(.threads)
        let address = try hub.publish(at: "tcp://127.0.0.1:*"), port = Self.port(of: address)
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
            try await withContext(.threads) { hub in
                let address = try hub.publish(at: way.address(in: directory)), port = Self.port(of: address)
                try await withContext(connectingTo: address, options: way.options) { client in
                    let state = client.state
                    let process = try await client.spawn {
                        try await state.set("is there", to: true)
                        _ = try await state.first { $0["may end", default: false] }
                    }
                    try await eventually { try await hub.state.get("is there", default: false) }
                    if way == .tcp { try await eventually { try connectionCount(at: port) == 2 } }
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

    /// Where a hub might send its clients.
    enum Lure: CaseIterable, Sendable {
        /// This is where they go.
        case right
        case otherName, otherDirectory, otherUser, openDirectory, wayBack, symbolicLink
        case otherPort, otherHost, otherScheme
    }

    /// A hub cannot send its clients to any other socket of theirs.
    @Test(arguments: Lure.allCases) func aHubCannotSendItsClientsAnywhere(_ lure: Lure) async throws {
        let user = getuid(), id = UInt64.random(in: 0 ... .max), transport = ZeroMQTransport()
        let listener = try transport.listen(at: Endpoint("tcp://127.0.0.1:*"))
        let place = listener.endpoint.description, port = Self.port(of: place)
        var directory = "/tmp/zproc-\(user)-lure\(id)", name = "near-1", said: String?, linked: String?
        var address = place, mode: mode_t = 0o700
        switch lure {
        case .right: break
        case .otherName: name = "hub"
        case .otherDirectory: directory = "/tmp/lure\(id)"
        case .otherUser: directory = "/tmp/zproc-\(user + 1)-lure\(id)"
        case .openDirectory: mode = 0o755
        case .wayBack: said = "unix://\(directory)/../zproc-\(user)-lure\(id)/near-1"
        case .symbolicLink:
            linked = "/tmp/zproc-\(user)-link\(id)"
            said = "unix://\(linked ?? "")/near-1"
        case .otherPort: address = "tcp://127.0.0.1:\(port - 1)"
        case .otherHost: address = "tcp://127.0.0.2:\(port)"
        case .otherScheme: address = "ipc://127.0.0.1:\(port)"
        }
        let path = "\(directory)/\(name)"
        try #require(mkdir(directory, mode) == 0)
        if let linked { try #require(symlink(directory, linked) == 0) }
        let unix = UnixSocketTransport()
        defer {
            if let linked { unlink(linked) }
            rmdir(directory)
        }
        // What listens there is the hub that says so.
        let answer = try MessagePackEncoder().encode([address, said ?? "unix://\(path)"]), node = NodeID.random()
        let lured = try unix.listen(at: Endpoint(.unix, path))
        try lured.start(MisleadingHub(lured, node, saying: answer, errors: "asked there"))
        try listener.start(MisleadingHub(listener, node, saying: answer, errors: "asked here"))
        let client = try await Context(connectingTo: place, backend: .threads)
        let error = await #expect(throws: (any Error).self) { _ = try await client.ping() }
        #expect(error.map { "\($0)" }?.contains(lure == .right ? "asked there" : "asked here") == true)
        await client.shutdown()
        await transport.shutdown()
        await unix.shutdown()
    }

    /// What is no answer is as good as none.
    @Test(arguments: [["tcp://127.0.0.1:1"], ["x", "y"], [], ["", ""], ["a", "b", "c"]])
    func aHubThatMakesNoSenseKeepsItsClients(_ texts: [String]) async throws {
        let transport = ZeroMQTransport(), listener = try transport.listen(at: Endpoint("tcp://127.0.0.1:*"))
        let answer = try MessagePackEncoder().encode(texts)
        try listener.start(MisleadingHub(listener, .random(), saying: answer, errors: "asked here"))
        let client = try await Context(connectingTo: listener.endpoint.description, backend: .threads)
        let error = await #expect(throws: (any Error).self) { _ = try await client.ping() }
        #expect(error.map { "\($0)" }?.contains("asked here") == true)
        await client.shutdown()
        await transport.shutdown()
    }

    /// To say hello again gives nobody more than there is.
    @Test func whoComesBackHasTakenWhatItHasTaken() async throws {
        try await withContext(.threads) { hub in
            var options = HubOptions()
            options.limits.requestsPerSecond = 3
            let zmq = try SocketContext(), socket = try zmq.makeSocket(.dealer)
            try socket.connect(to: hub.publish(at: "tcp://127.0.0.1:*", options))
            func answer(to envelope: Envelope) async throws -> Envelope {
                try await socket.send(Message(envelope.encoded()))
                return try Envelope(decoding: Array(try await socket.receive()))
            }
            var id: UInt64 = 0, refusals = 0
            // As many as would be needed for one a round not to be noticed.
            for _ in 0..<100 where refusals == 0 {
                _ = try await answer(to: .hello(PeerInfo(build: "other", node: .random(), processID: 1)))
                for method in ["ping", "ping", "ping", "move"] {
                    id += 1
                    let call = Envelope.call(CallID(id), service: "hub", method: method, arguments: [0x90])
                    if case .failure(_, let error) = try await answer(to: call), error.code == "overLimit" {
                        #expect(method == "ping")
                        refusals += 1
                    }
                }
            }
            #expect(refusals > 0)
            socket.close()
            await zmq.shutdown()
        }
    }

    // MARK: Helpers

    private struct Unexpected: Error {}

    private static func port(of address: String) -> Int { address.split(separator: ":").last.flatMap { Int($0) } ?? 0 }

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

/// Lets others in, and says where.
private func serve(_ name: String, _ state: SharedState) async throws {
    let hub = try Context(.threads)
    try await state.set(name, to: hub.publish(at: "tcp://127.0.0.1:*"))
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

/// A hub that says where its clients should go on, and has an error for whatever else it is asked.
private final class MisleadingHub: ListenerReceiver {
    private let listener: any TransportListener
    private let said: [UInt8]
    private let message: String
    private let info: PeerInfo

    init(_ listener: any TransportListener, _ node: NodeID, saying said: [UInt8], errors message: String) {
        self.listener = listener
        self.said = said
        self.message = message
        info = PeerInfo(build: "other", node: node, processID: 1)
    }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        switch try? Envelope(decoding: message) {
        case .hello: answer(.welcome(info), peer)
        case .call(let id, _, "move", _, _, _): answer(.success(id, result: said[...]), peer)
        case .call(let id, _, _, _, _, _):
            answer(.failure(id, WireError(code: "none", message: self.message)), peer)
        case let other: Issue.record(Comment(rawValue: "\(other, default: "no message")"))
        }
    }

    private func answer(_ envelope: Envelope, _ peer: PeerID) { try? listener.send(envelope.encoded(), to: peer) }
    func listenerLost(_ peer: PeerID) {}
}
