// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization
import Testing
import ZProc
import ZProcCore
import ZProcTransports

@Suite(.timeLimit(.minutes(5))) struct UnixSocketTests {
    /// A stream is cut anywhere.
    @Test func messagesAreFoundHoweverTheStreamIsCut() throws {
        var random = SeededRandom.announced("cut streams")
        for _ in 0..<200 {
            let messages = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                let count = Bool.random(using: &random) ? Int.random(in: 1...8, using: &random) : 1_000
                return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            let stream = messages.flatMap { Self.framed($0) }
            var reader = MessageReader(maximumByteCount: 1_000), found: [[UInt8]] = [], start = 0
            while start < stream.count {
                let end = min(stream.count, start + Int.random(in: 1...1_500, using: &random))
                try stream[start..<end].withUnsafeBytes { try reader.read($0, into: &found) }
                start = end
            }
            #expect(found == messages)
        }
    }

    @Test func whatIsNoMessageIsSaid() {
        var reader = MessageReader(maximumByteCount: 10), found: [[UInt8]] = []
        let stream = Self.framed([1, 2]) + [11, 0, 0, 0]
        #expect(throws: MessageReader.Failure.tooLarge(11)) {
            try stream.withUnsafeBytes { try reader.read($0, into: &found) }
        }
        #expect(found == [[1, 2]])
        var other = MessageReader(maximumByteCount: 10)
        #expect(throws: MessageReader.Failure.empty) {
            try [UInt8](repeating: 0, count: 4).withUnsafeBytes { try other.read($0, into: &found) }
        }
    }

    /// What is no message ends the stream it came by, and nothing else.
    @Test func garbageLeavesTheOthersAlone() async throws {
        let path = Self.freshPath(), transport = UnixSocketTransport()
        var options = ListenOptions()
        options.maximumMessageByteCount = 1 << 20
        let listener = try transport.listen(at: Endpoint(.unix, path), options: options)
        let echo = EchoingReceiver(listener)
        try listener.start(echo)
        let answers = CollectingReceiver(), link = try transport.connect(to: listener.endpoint, receiver: answers)
        try link.send([1])
        try await eventually { answers.messages == [[1]] }
        let garbage: [[UInt8]] = [
            [0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [0, 0, 0x20, 0], [1, 0], Array("GET / HTTP/1.1\r\n\r\n".utf8),
            Self.framed([2]) + [0, 0, 0, 0],
        ]
        for bytes in garbage {
            let socket = try #require(Self.connectedSocket(path))
            #expect(send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
            shutdown(socket, Int32(SHUT_WR))
            // It is closed over there, after what was a message has been answered.
            var all: [UInt8] = [], buffer = [UInt8](repeating: 0, count: 64)
            while case let count = read(socket, &buffer, buffer.count), count > 0 { all += buffer[..<count] }
            #expect(all == (bytes.count == 9 ? Self.framed([2]) : []))
            close(socket)
        }
        try link.send([3])
        try await eventually { answers.messages == [[1], [3]] }
        #expect(!answers.isClosed)
        await transport.shutdown()
        #expect(access(path, F_OK) != 0)
        #expect(access(path + ".lock", F_OK) != 0)
    }

    /// One that takes nothing is lost when too much waits for it; the others are not held up.
    @Test func whoDoesNotReadIsLost() async throws {
        let path = Self.freshPath(), transport = UnixSocketTransport()
        var options = ListenOptions()
        options.sendHighWaterMark = 10
        let listener = try transport.listen(at: Endpoint(.unix, path), options: options)
        let echo = EchoingReceiver(listener)
        try listener.start(echo)
        let deaf = try #require(Self.connectedSocket(path))
        let message = Self.framed([UInt8](repeating: 7, count: 100_000))
        var sent = 0
        while sent < 40 * message.count, echo.lostCount == 0 {
            let start = sent % message.count
            let count = message[start...].withUnsafeBytes { send(deaf, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { break }
            sent += count
        }
        try await eventually { echo.lostCount == 1 }
        close(deaf)
        let answers = CollectingReceiver(), link = try transport.connect(to: listener.endpoint, receiver: answers)
        try link.send([1])
        try await eventually { answers.messages == [[1]] }
        await transport.shutdown()
    }

    /// A program without descriptors turns newcomers away and goes on with the others.
    @Test func withoutDescriptorsNewcomersAreTurnedAway() async throws {
        let path = Self.freshPath()
        try await withContext(.processes) { context in
            let state = context.state
            let server = try await context.spawn {
                let transport = UnixSocketTransport()
                let listener = try transport.listen(at: Endpoint(.unix, path))
                try listener.start(EchoingReceiver(listener))
                try await state.set("listens", to: true)
                _ = try await state.first { $0["full", default: false] }
                var open: [Int32] = [], limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                limit.rlim_cur = min(limit.rlim_cur, 200)
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                while case let descriptor = dup(0), descriptor >= 0 { open.append(descriptor) }
                try await state.set("is full", to: true)
                _ = try await state.first { $0["has room", default: false] }
                for descriptor in open { close(descriptor) }
                try await state.set("is empty", to: true)
                _ = try await state.first { $0["ends", default: false] }
                await transport.shutdown()
            }
            _ = try await state.first { $0["listens", default: false] }
            let transport = UnixSocketTransport(), endpoint = try Endpoint(.unix, path)
            let early = CollectingReceiver(), link = try transport.connect(to: endpoint, receiver: early)
            try link.send([1])
            try await eventually { early.messages == [[1]] }
            try await state.set("full", to: true)
            _ = try await state.first { $0["is full", default: false] }
            // Something else over there may have closed a descriptor since, and one or two get in.
            let newcomers = (0..<10).map { _ in CollectingReceiver() }
            let others = try newcomers.map { try transport.connect(to: endpoint, receiver: $0) }
            try await eventually { newcomers.contains { $0.isClosed } }
            for other in others { other.close() }
            try link.send([2])
            try await eventually { early.messages == [[1], [2]] }
            try await state.set("has room", to: true)
            _ = try await state.first { $0["is empty", default: false] }
            let late = CollectingReceiver(), last = try transport.connect(to: endpoint, receiver: late)
            try last.send([3])
            try await eventually { late.messages == [[3]] }
            try await state.set("ends", to: true)
            try await server.value
            await transport.shutdown()
        }
    }

    /// Who sends while the other side goes is told that, and not that this side has closed the link.
    @Test func whoSendsAtTheEndIsToldOfIt() async throws {
        for _ in 0..<200 {
            let path = Self.freshPath(), server = UnixSocketTransport(), client = UnixSocketTransport()
            let listener = try server.listen(at: Endpoint(.unix, path))
            let echo = EchoingReceiver(listener), receiver = CollectingReceiver()
            try listener.start(echo)
            let link = try client.connect(to: listener.endpoint, receiver: receiver)
            try link.send([1])
            try await eventually { receiver.messages == [[1]] }
            let senders = (0..<2).map { _ in
                Task { () -> TransportError? in
                    while true {
                        do throws(TransportError) { try link.send([2]) } catch { return error }
                        await Task.yield()
                    }
                }
            }
            listener.close()
            for sender in senders {
                let error = await sender.value
                #expect(error?.code == .peerGone)
            }
            await client.shutdown()
            await server.shutdown()
        }
    }

    // MARK: Heartbeats

    @Test func lengthsOfZeroAreSignsOfLifeWhereTheyMayBe() throws {
        var reader = MessageReader(maximumByteCount: 10, takesHeartbeats: true), found: [[UInt8]] = []
        let stream = Self.heartbeat + Self.framed([1]) + Self.heartbeat + Self.heartbeat + Self.framed([2, 3])
        #expect(!reader.hasHeartbeat)
        for byte in stream { try [byte].withUnsafeBytes { try reader.read($0, into: &found) } }
        #expect(reader.hasHeartbeat)
        try stream.withUnsafeBytes { try reader.read($0, into: &found) }
        #expect(found == [[1], [2, 3], [1], [2, 3]])
    }

    /// Who has given signs of life and gives no more is lost; who never gave one is not.
    @Test func whoStandsStillIsLost() async throws {
        let path = Self.freshPath(), transport = UnixSocketTransport()
        let listener = try transport.listen(at: Endpoint(.unix, path), options: Self.beating)
        let guests = BlockingReceiver()
        try listener.start(guests)
        let still = try #require(Self.connectedSocket(path)), silent = try #require(Self.connectedSocket(path))
        for (socket, bytes) in [(still, Self.heartbeat + Self.framed([1])), (silent, Self.framed([2]))] {
            #expect(send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
        }
        // The listener gives signs of life to both of them, and none to the one that it has given up.
        let given = try await concurrently { Self.count(from: still) }
        #expect(given >= 3)
        try await eventually { guests.count == 2 && guests.lostCount == 1 }
        let more = try await concurrently { Self.count(from: silent, until: 10) }
        #expect(more == 10)
        #expect(guests.lostCount == 1)
        for socket in [still, silent] { close(socket) }
        try await eventually { guests.lostCount == 2 }
        await transport.shutdown()
    }

    /// What has come from a peer while nobody could read it says that it lives.
    @Test func whoIsNotReadIsNotLost() async throws {
        let path = Self.freshPath(), transport = UnixSocketTransport()
        let listener = try transport.listen(at: Endpoint(.unix, path), options: Self.beating)
        let guests = BlockingReceiver()
        try listener.start(guests)
        let peer = try #require(Self.connectedSocket(path))
        // More than is read at once.
        let rest = Self.framed(Array(repeating: 3, count: 100_000))
        let bytes = Self.heartbeat + Self.framed(BlockingReceiver.blocking) + rest
        #expect(send(peer, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
        try await eventually { guests.count == 1 }
        let given = try await concurrently { Self.count(from: peer, until: 10) }
        #expect(given == 10)
        guests.goOn()
        // Everything has been read then, and nothing more comes.
        try await eventually { guests.count == 2 && guests.lostCount == 1 }
        close(peer)
        await transport.shutdown()
    }

    /// What waits for room is sent although whoever serves the stream is held up.
    @Test func whatWaitsIsSentBesides() async throws {
        let path = Self.freshPath(), transport = UnixSocketTransport()
        let listener = try transport.listen(at: Endpoint(.unix, path), options: Self.beating)
        let answer = [UInt8](repeating: 7, count: 8 << 20)
        let guests = BlockingReceiver()
        try listener.start(guests)
        let peer = try #require(Self.connectedSocket(path))
        #expect(send(peer, Self.framed([1]), 5, Int32(MSG_NOSIGNAL)) == 5)
        try await eventually { guests.count == 1 }
        // More than there is room for.
        try listener.send(answer, to: #require(guests.last))
        #expect(send(peer, Self.framed(BlockingReceiver.blocking), 5, Int32(MSG_NOSIGNAL)) == 5)
        try await eventually { guests.count == 2 }
        let whole = try await concurrently { () -> Bool in
            var bytes = [UInt8](repeating: 0, count: 4)
            repeat {
                guard recv(peer, &bytes, bytes.count, Int32(MSG_WAITALL)) == bytes.count else { return false }
            } while bytes == Self.heartbeat
            var message = answer.map { _ in UInt8(0) }
            return recv(peer, &message, message.count, Int32(MSG_WAITALL)) == message.count && message == answer
        }
        #expect(whole)
        #expect(guests.isHeldUp)
        guests.goOn()
        close(peer)
        try await eventually { guests.lostCount == 1 }
        await transport.shutdown()
    }

    /// A link gives them when it has had one, and then finds out when there are no more.
    @Test func aLinkFindsOutThatTheOtherSideStandsStill() async throws {
        let path = Self.freshPath(), transport = UnixSocketTransport()
        let server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try #require(withSocketAddress(path) { bind(server, $0, $1) } == 0 && listen(server, 8) == 0)
        var options = ConnectOptions()
        options.heartbeat = Self.beating.heartbeat
        let receiver = CollectingReceiver()
        let link = try transport.connect(to: Endpoint(.unix, path), options: options, receiver: receiver)
        let accepted = try await concurrently { accept(server, nil, nil) }
        try link.send([1])
        let first = try await concurrently { () -> [UInt8] in
            var bytes = [UInt8](repeating: 0, count: 5)
            return recv(accepted, &bytes, 5, Int32(MSG_WAITALL)) == 5 ? bytes : []
        }
        // A message is none, and is all there is as long as nothing has come.
        #expect(first == Self.framed([1]))
        #expect(send(accepted, Self.heartbeat, 4, Int32(MSG_NOSIGNAL)) == 4)
        let given = try await concurrently { Self.count(from: accepted) }
        #expect(given >= 2)
        try await eventually { receiver.isClosed }
        #expect(receiver.error?.code == .peerGone)
        #expect(receiver.error?.message.contains("no sign of life for 0.06 seconds") == true)
        #expect(throws: TransportError.self) { try link.send([2]) }
        for socket in [accepted, server] { close(socket) }
        unlink(path)
        await transport.shutdown()
    }

    /// How often a peer gives signs of life until it ends the connection, or until it has given so many.
    private static func count(from socket: Int32, until limit: Int = .max) -> Int {
        var count = 0, bytes = [UInt8](repeating: 0, count: heartbeat.count)
        while count < limit, recv(socket, &bytes, bytes.count, Int32(MSG_WAITALL)) == bytes.count,
            bytes == heartbeat
        { count += 1 }
        return count
    }

    private static let heartbeat: [UInt8] = [0, 0, 0, 0]
    private static var beating: ListenOptions {
        var options = ListenOptions()
        options.heartbeat = .milliseconds(20)
        return options
    }

    @Test func onlyUnixSocketsWithoutKeysAreReached() async throws {
        let transport = UnixSocketTransport()
        for text in ["tcp://127.0.0.1:1", "ipc:///tmp/x", "inproc://x"] {
            let error = try #require(throws: TransportError.self) {
                try transport.connect(to: Endpoint(text), receiver: CollectingReceiver())
            }
            #expect(error.code == .invalidEndpoint)
            #expect(error.message.contains("unix://PATH"))
        }
        let missing = try #require(throws: TransportError.self) {
            try transport.listen(at: Endpoint("unix:///nowhere/at/all"))
        }
        #expect(missing.message.contains("unix:///nowhere/at/all") || missing.message.contains("/nowhere/at/all"))
        let nobody = CollectingReceiver()
        _ = try transport.connect(to: Endpoint(.unix, Self.freshPath()), receiver: nobody)
        try await eventually { nobody.error?.code == .unreachable }
        await transport.shutdown()
        let closed = try #require(throws: TransportError.self) {
            try transport.connect(to: Endpoint(.unix, Self.freshPath()), receiver: nobody)
        }
        #expect(closed.code == .closed)
    }

    // MARK: Helpers

    private static func framed(_ message: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt32(message.count).littleEndian) { Array($0) } + message
    }

    private static func freshPath() -> String { "/tmp/zproc-unix-\(getpid())-\(UInt32.random(in: 0 ... .max))" }

    private static func connectedSocket(_ path: String) -> Int32? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        return withSocketAddress(path) { connect(descriptor, $0, $1) } == 0 ? descriptor : nil
    }
}

/// Sends everything back.
final class EchoingReceiver: ListenerReceiver {
    private let listener: any TransportListener
    private let lost = Atomic(0)
    var lostCount: Int { lost.load(ordering: .relaxed) }

    init(_ listener: any TransportListener) { self.listener = listener }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) { try? listener.send(message, to: peer) }
    func listenerLost(_ peer: PeerID) { lost.add(1, ordering: .relaxed) }
}

/// Does something that blocks, on a thread of its own.
private func concurrently<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async throws -> Value {
    let promise = Promise<Value>()
    try tryToStartThread { promise.settle(.success(body())) }
    return try await promise.value()
}

/// Counts what comes, and does not go on after one of them until it may.
private final class BlockingReceiver: ListenerReceiver {
    static let blocking: [UInt8] = [66]
    private let received = Atomic(0), lost = Atomic(0)
    private let gate = DispatchSemaphore(value: 0), hasGoneOn = Atomic(false)
    private let peer = Mutex<PeerID?>(nil)
    /// Who sent something last.
    var last: PeerID? { peer.withLock(\.self) }
    var isHeldUp: Bool { !hasGoneOn.load(ordering: .relaxed) }
    var count: Int { received.load(ordering: .relaxed) }
    var lostCount: Int { lost.load(ordering: .relaxed) }

    func goOn() { gate.signal() }
    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        self.peer.withLock { $0 = peer }
        received.add(1, ordering: .relaxed)
        guard message == Self.blocking else { return }
        gate.wait()
        hasGoneOn.store(true, ordering: .relaxed)
    }
    func listenerLost(_ peer: PeerID) { lost.add(1, ordering: .relaxed) }
}

/// Keeps what comes.
final class CollectingReceiver: LinkReceiver {
    private let state = Mutex<(messages: [[UInt8]], error: TransportError?)>(([], nil))
    var messages: [[UInt8]] { state.withLock { $0.messages } }
    var error: TransportError? { state.withLock { $0.error } }
    var isClosed: Bool { error != nil }

    func linkReceived(_ message: [UInt8]) { state.withLock { $0.messages.append(message) } }
    func linkClosed(_ error: TransportError) { state.withLock { $0.error = error } }
}
