// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import ZProc
import ZProcCore
import ZProcTransports

@Suite(.timeLimit(.minutes(5))) struct TransportTests {
    enum Kind: CaseIterable {
        case inProcess, unix, ipc, tcp

        func make() -> any Transport {
            switch self {
            case .inProcess: InProcessTransport()
            case .unix: UnixSocketTransport()
            case .ipc, .tcp: ZeroMQTransport()
            }
        }

        func endpoint() throws -> Endpoint {
            switch self {
            case .inProcess: try Endpoint(.inproc, "*")
            case .unix: try Endpoint("unix:///tmp/zproc-transport-\(getpid())-\(UInt32.random(in: 0 ... .max))")
            case .ipc: try Endpoint("ipc:///tmp/zproc-transport-\(getpid())-\(UInt32.random(in: 0 ... .max))")
            case .tcp: try Endpoint("tcp://127.0.0.1:*")
            }
        }
    }

    /// Others may know the endpoint of a node that comes back, and call it before it is ready.
    @Test(arguments: Kind.allCases)
    func whatComesBeforeTheStartIsNotLost(over kind: Kind) async throws {
        let transport = kind.make(), listener = try transport.listen(at: kind.endpoint())
        let answers = Answers(), link = try transport.connect(to: listener.endpoint, receiver: answers)
        for number: UInt8 in 0..<100 { try link.send([number]) }
        let echo = Echo(listener)
        try listener.start(echo)
        for number: UInt8 in 100..<200 { try link.send([number]) }
        try await eventually { answers.messages.count == 200 }
        #expect(answers.messages == (0..<200).map { [$0] })
        await transport.shutdown()
    }

    /// Both sides send as much as they like, whatever the other one has read.
    @Test(arguments: Kind.allCases)
    func messagesOfAllSizesArriveWholeAndInOrder(over kind: Kind) async throws {
        var random = SeededRandom.announced("messages of all sizes")
        let server = kind.make(), client = kind.make(), listener = try server.listen(at: kind.endpoint())
        let echo = Echo(listener), answers = Answers()
        try listener.start(echo)
        let link = try client.connect(to: listener.endpoint, receiver: answers)
        let messages = (0..<400).map { number in
            let count = Bool.random(using: &random) ? Int.random(in: 2...100, using: &random) : 1 << (number % 22)
            return [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: max(1, count))
        }
        for message in messages {
            // In one part, or two, of which one may be empty.
            if Bool.random(using: &random) {
                let middle = Int.random(in: 0...message.count, using: &random)
                try link.send(Array(message[..<middle]), body: Array(message[middle...]))
            } else {
                try link.send(message)
            }
        }
        try await eventually { answers.messages.count == messages.count }
        #expect(answers.messages == messages)
        await client.shutdown()
        await server.shutdown()
    }

    /// Whoever sends puts its message whole behind those of others.
    @Test(arguments: Kind.allCases)
    func manySendersShareALink(over kind: Kind) async throws {
        let server = kind.make(), client = kind.make(), listener = try server.listen(at: kind.endpoint())
        let echo = Echo(listener), answers = Answers()
        try listener.start(echo)
        let link = try client.connect(to: listener.endpoint, receiver: answers)
        await withDiscardingTaskGroup { group in
            for task: UInt8 in 0..<20 {
                group.addTask(executorPreference: client.taskExecutor) {
                    for number: UInt8 in 0..<100 {
                        let padding = [UInt8](repeating: number, count: Int(task) * 200)
                        try? link.send([task, number] + padding)
                        await Task.yield()
                    }
                }
            }
        }
        try await eventually { answers.messages.count == 2_000 }
        for task: UInt8 in 0..<20 {
            let own = answers.messages.filter { $0[0] == task }
            #expect(own.map { $0[1] } == Array(0..<100))
            #expect(own.allSatisfy { $0 == [task, $0[1]] + [UInt8](repeating: $0[1], count: Int(task) * 200) })
        }
        await client.shutdown()
        await server.shutdown()
    }

    /// Whoever ends may say why, and go.
    @Test(arguments: Kind.allCases, [false, true])
    func whatWasSentBeforeTheEndArrives(over kind: Kind, fromAnswer: Bool) async throws {
        for _ in 0..<50 {
            let server = kind.make(), client = kind.make(), listener = try server.listen(at: kind.endpoint())
            let answers = Answers(), link = try client.connect(to: listener.endpoint, receiver: answers)
            let said = AsyncStream.makeStream(of: Void.self)
            let farewell = Farewell(listener, closes: fromAnswer) { said.continuation.yield() }
            try listener.start(farewell)
            try link.send([1])
            for await _ in said.stream { break }
            await server.shutdown()
            try await eventually { answers.isClosed }
            let count = answers.messages.count
            #expect(count == 100)
            if count != 100 { break }
            await client.shutdown()
        }
    }

    /// Such as the cancelling of a call, by a program that then ends.
    ///
    /// Over TCP as long as nothing has come that has not been read: a socket that is closed with that is reset, and the
    /// system drops what it has not sent. So nothing but the first is answered there.
    @Test(arguments: Kind.allCases)
    func whatWasSentBeforeTheLinkWasClosedArrives(over kind: Kind) async throws {
        for _ in 0..<50 {
            let server = kind.make(), client = kind.make(), listener = try server.listen(at: kind.endpoint())
            let echo = Echo(listener, answers: kind == .tcp ? 1 : .max), answers = Answers()
            try listener.start(echo)
            let link = try client.connect(to: listener.endpoint, receiver: answers)
            try link.send([0])
            try await eventually { answers.messages.count == 1 }
            await withDiscardingTaskGroup { group in
                for number: UInt8 in 1...100 {
                    // Of one byte each, all would nearly always arrive.
                    group.addTask { try? link.send([UInt8](repeating: number, count: 3_000)) }
                }
            }
            await client.shutdown()
            try await eventually { echo.count == 101 }
            await server.shutdown()
        }
    }

    @Test func linksThatHaveEndedAreForgotten() async throws {
        let server = InProcessTransport(), client = InProcessTransport()
        let listener = try server.listen(at: Endpoint(.inproc, "*")), answers = Answers()
        try listener.start(Echo(listener))
        let links = try (0..<100).map { _ in try client.connect(to: listener.endpoint, receiver: answers) }
        #expect(client.linkCount == 100)
        for link in links.prefix(50) { link.close() }
        #expect(client.linkCount == 50)
        listener.close()
        #expect(client.linkCount == 0)
        let nowhere = try client.connect(to: Endpoint(.inproc, "nobody is here"), receiver: answers)
        try await eventually { client.linkCount == 0 }
        nowhere.close()
        await client.shutdown()
        #expect(throws: TransportError.self) { try client.connect(to: listener.endpoint, receiver: answers) }
        #expect(client.linkCount == 0)
        await server.shutdown()
    }

    /// Whoever sends also sends what others put down meanwhile.
    ///
    /// When that fails, its own message is on its way all the same:
    /// told that it is not, the caller would send it again.
    @Test func aFailureOfOthersMessagesIsNotTheSenders() {
        struct Failure: Error, Equatable {}
        let outbox = Outbox<Int, Failure>(), sent = Mutex<[[Int]]>([]), late = Mutex(0)
        func send(_ numbers: [Int]) -> Failure? {
            if numbers == [2] { return Failure() }
            sent.withLock { $0.append(numbers) }
            // Somebody else's, while this one is sending.
            return numbers == [1] ? outbox.put(2, unless: { false }, send: send) : nil
        }
        let failure = outbox.put(1, unless: { false }, send: send, onLateFailure: { _ in late.withLock { $0 += 1 } })
        #expect(failure == nil)
        #expect(sent.withLock { $0 } == [[1]])
        #expect(late.withLock { $0 } == 1)
        // The next one is a sender again, and its own failure its own.
        #expect(outbox.put(2, unless: { false }, send: send) == Failure())
        #expect(outbox.put(3, unless: { false }, send: send) == nil)
        #expect(sent.withLock { $0 } == [[1], [3]])
    }

    /// Every message of a caller comes twice, as on a wire that repeats what it has lost the receipt of.
    @Test(arguments: Kind.allCases)
    func aCallThatComesTwiceIsCarriedOutOnce(over kind: Kind) async throws {
        let address: String? = kind == .inProcess ? nil : try kind.endpoint().description
        let backend = kind == .inProcess ? Backend.threads : .processes
        let caller = try Context(backend, address: address), callee = try Context(backend, address: address)
        let counter = Counter(actorSystem: callee.system)
        let repeater = try Repeater(kind, before: try callee.system.address().endpoint)
        let proxy = try ActorTests.proxy(of: counter, of: callee, at: caller, by: repeater.endpoint)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<200 { group.addTask { _ = try await proxy.increment(by: 1) } }
            try await group.waitForAll()
        }
        #expect(try await proxy.increment(by: 0) == 200)
        #expect(repeater.count > 400)
        await caller.shutdown()
        await repeater.shutdown()
        await callee.shutdown()
    }

    /// Whoever opens a link while all are closed gets one that is closed, or an error, and nobody waits for it.
    @Test(arguments: [Kind.unix, .ipc])
    func linksMayBeOpenedWhileATransportIsShutDown(over kind: Kind) async throws {
        for _ in 0..<40 {
            let server = kind.make(), client = kind.make(), listener = try server.listen(at: kind.endpoint())
            try listener.start(Echo(listener))
            let endpoint = listener.endpoint
            await withDiscardingTaskGroup { group in
                for _ in 0..<2 {
                    group.addTask {
                        while let link = try? client.connect(to: endpoint, receiver: Answers()) {
                            do { try link.send([1]) } catch { break }
                            await Task.yield()
                        }
                    }
                }
                group.addTask { await client.shutdown() }
            }
            await server.shutdown()
        }
    }

    /// Who listens at a path takes over what is left there, but no file of the user's.
    @Test(arguments: [Kind.unix, .ipc])
    func aFileThatIsNoSocketIsLeftAlone(at kind: Kind) async throws {
        let transport = kind.make(), endpoint = try kind.endpoint()
        let file = open(endpoint.address, O_WRONLY | O_CREAT, 0o600)
        #expect(write(file, "text", 4) == 4)
        close(file)
        let error = try #require(throws: TransportError.self) { try transport.listen(at: endpoint) }
        #expect(error.code == .addressInUse)
        var status = stat()
        #expect(stat(endpoint.address, &status) == 0)
        #expect(status.st_size == 4)
        unlink(endpoint.address)
        let listener = try transport.listen(at: endpoint)
        listener.close()
        await transport.shutdown()
    }

    /// An end of a listener that is told twice does not end the next one at the same place.
    @Test(arguments: Kind.allCases)
    func theNextAtTheSamePlaceStays(over kind: Kind) async throws {
        let transport = kind.make(), other = kind.make()
        let first = try transport.listen(at: kind.endpoint()), endpoint = first.endpoint
        try first.start(Echo(first))
        first.close()
        var next: (any TransportListener)?
        try await eventually {
            next = try? other.listen(at: endpoint)
            return next != nil
        }
        let second = try #require(next)
        try second.start(Echo(second))
        first.close()
        await transport.shutdown()
        let answers = Answers(), link = try other.connect(to: endpoint, receiver: answers)
        try link.send([1])
        try await eventually { answers.messages == [[1]] }
        await other.shutdown()
    }
}

/// Listens in another's place, and passes everything on: what callers send twice.
private final class Repeater: ListenerReceiver {
    /// The way back to a caller.
    private final class Back: LinkReceiver {
        let peer: PeerID, listener: any TransportListener

        init(_ peer: PeerID, _ listener: any TransportListener) {
            self.peer = peer
            self.listener = listener
        }

        func linkReceived(_ message: [UInt8]) { try? listener.send(message, to: peer) }
        func linkClosed(_ error: TransportError) {}
    }

    private let transport: any Transport
    private let listener: any TransportListener
    private let target: Endpoint
    private let state = Mutex<(links: [PeerID: any TransportLink], count: Int)>(([:], 0))

    init(_ kind: TransportTests.Kind, before target: Endpoint) throws {
        transport = kind.make()
        listener = try transport.listen(at: kind.endpoint())
        self.target = target
        try listener.start(self)
    }

    var endpoint: Endpoint { listener.endpoint }
    /// How many messages it has passed on to the target.
    var count: Int { state.withLock { $0.count } }
    func shutdown() async { await transport.shutdown() }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        // One peer's messages come one at a time.
        let known = state.withLock { $0.links[peer] }
        guard let link = try? known ?? transport.connect(to: target, receiver: Back(peer, listener)) else { return }
        state.withLock { state in
            state.links[peer] = link
            state.count += 2
        }
        for _ in 0..<2 { try? link.send(message) }
    }

    func listenerLost(_ peer: PeerID) {}
}

extension TransportTests {
    /// Where strangers come and go, the listener hears of it: of who it was, or that it was somebody, and finds out by a
    /// message.
    @Test(arguments: [Kind.unix, .ipc, .tcp])
    func theEndOfALinkIsNoticed(over kind: Kind) async throws {
        var options = ListenOptions()
        options.heartbeat = .seconds(2)
        let server = kind.make(), client = kind.make(), other = kind.make()
        let listener = try server.listen(at: kind.endpoint(), options: options)
        let guests = Guests()
        try listener.start(guests)
        for transport in [client, other] {
            let link = try transport.connect(to: listener.endpoint, receiver: Answers())
            try link.send([1])
        }
        try await eventually { guests.present.count == 2 }
        #expect(guests.farewellCount == 0)
        await client.shutdown()
        if kind != .unix { try await eventually { guests.farewellCount == 1 } }
        try await eventually {
            for guest in guests.present { try listener.send([2], to: guest) }
            return guests.present.count == 1
        }
        await other.shutdown()
        await server.shutdown()
    }
}

/// Counts who comes and goes.
private final class Guests: ListenerReceiver {
    private let state = Mutex<(present: Set<PeerID>, farewellCount: Int)>(([], 0))
    var present: Set<PeerID> { state.withLock { $0.present } }
    var farewellCount: Int { state.withLock { $0.farewellCount } }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        state.withLock { _ = $0.present.insert(peer) }
    }
    func listenerLost(_ peer: PeerID) { state.withLock { _ = $0.present.remove(peer) } }
    func listenerLostSomebody() { state.withLock { $0.farewellCount += 1 } }
}

private final class Echo: ListenerReceiver {
    private let listener: any TransportListener
    private let received = Atomic(0)
    private let answers: Int
    var count: Int { received.load(ordering: .relaxed) }

    /// Answers the first so many, or all.
    init(_ listener: any TransportListener, answers: Int = .max) {
        self.listener = listener
        self.answers = answers
    }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        let number = received.add(1, ordering: .relaxed).newValue
        if number > answers { return }
        // Every other one in two parts.
        let middle = message.count / 3
        if number.isMultiple(of: 2) {
            try? listener.send(Array(message[..<middle]), body: Array(message[middle...]), to: peer)
        } else {
            try? listener.send(message, to: peer)
        }
    }
    func listenerLost(_ peer: PeerID) {}
}

/// Answers with a hundred messages, and goes.
private final class Farewell: ListenerReceiver {
    private let listener: any TransportListener
    private let closes: Bool
    private let done: @Sendable () -> Void

    init(_ listener: any TransportListener, closes: Bool, then done: @escaping @Sendable () -> Void) {
        self.listener = listener
        self.closes = closes
        self.done = done
    }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        for number: UInt8 in 0..<100 { try? listener.send([number], to: peer) }
        if closes { listener.close() }
        done()
    }

    func listenerLost(_ peer: PeerID) {}
}

private final class Answers: LinkReceiver {
    private let received = Mutex<(messages: [[UInt8]], isClosed: Bool)>(([], false))
    var messages: [[UInt8]] { received.withLock { $0.messages } }
    var isClosed: Bool { received.withLock { $0.isClosed } }

    func linkReceived(_ message: [UInt8]) { received.withLock { $0.messages.append(message) } }
    func linkClosed(_ error: TransportError) { received.withLock { $0.isClosed = true } }
}
