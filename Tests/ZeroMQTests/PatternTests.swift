// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(5)))
struct PatternTests {
    @Test(arguments: TestTransport.allCases)
    func pairsTalkBothWays(over transport: TestTransport) async throws {
        let pair = try SocketPair(.pair, .pair, over: transport)
        try await pair.connected.send(Array("ping".utf8))
        #expect(String(try await pair.bound.receive()) == "ping")
        try await pair.bound.send(Array("pong".utf8))
        #expect(String(try await pair.connected.receive()) == "pong")
    }

    @Test(arguments: TestTransport.allCases)
    func subscribersReceiveWhatTheyAskedFor(over transport: TestTransport) async throws {
        // An xpub hears of the subscription, so that nothing is published too early.
        let pair = try SocketPair(.xpub, .subscriber, over: transport)
        try pair.connected.subscribe(to: "news.")
        #expect(Array(try await pair.bound.receive()) == [1] + Array("news.".utf8))
        try await pair.bound.send(Array("sport.1".utf8))
        try await pair.bound.send(Array("news.1".utf8))
        #expect(String(try await pair.connected.receive()) == "news.1")
        try pair.connected.unsubscribe(from: "news.")
        #expect(Array(try await pair.bound.receive()) == [0] + Array("news.".utf8))
    }

    @Test(arguments: TestTransport.allCases)
    func publishersReachXsubs(over transport: TestTransport) async throws {
        let pair = try SocketPair(.publisher, .xsub, over: transport)
        try await pair.connected.send([1])  // subscribe to everything
        // A publisher does not tell when the subscription has come: publish until something arrives.
        var received: [UInt8]?
        let arrived = try await eventually {
            _ = try pair.bound.trySend([7])
            if let message = try pair.connected.tryReceive() { received = Array(message) }
            return received != nil
        }
        #expect(arrived && received == [7])
    }

    @Test(arguments: TestTransport.allCases)
    func requestsAreReplied(over transport: TestTransport) async throws {
        let pair = try SocketPair(.reply, .request, over: transport)
        for number in UInt8(0)..<10 {
            try await pair.connected.send([number])
            try await pair.bound.send(Array(try await pair.bound.receive()) + [1])
            #expect(Array(try await pair.connected.receive()) == [number, 1])
        }
        await expectError(.wrongState) { try await pair.bound.send([1]) }
    }

    @Test(arguments: TestTransport.allCases)
    func routersAnswerTheDealerThatAsked(over transport: TestTransport) async throws {
        let pair = try SocketPair(.router, .dealer, over: transport) { try $1.set(.routingID, to: Array("d1".utf8)) }
        let other = try pair.context.makeSocket(.dealer)
        try other.connect(to: pair.endpoint)
        try await pair.connected.send(Array("hello".utf8))
        try await other.send(Array("other".utf8))
        for _ in 0..<2 {
            var message = try await pair.bound.receiveMultipart()
            let identity = try unwrap(message.popFirst())
            if message[0] == Array("hello".utf8) { #expect(String(identity) == "d1") }
            try await pair.bound.send(Multipart(identity, Message(message[0] + [33])))
        }
        #expect(String(try await pair.connected.receive()) == "hello!")
        #expect(String(try await other.receive()) == "other!")
    }

    @Test(arguments: TestTransport.allCases)
    func pushersFeedPullers(over transport: TestTransport) async throws {
        let pair = try SocketPair(.pull, .push, over: transport)
        for number in UInt8(0)..<100 { try await pair.connected.send([number]) }
        for number in UInt8(0)..<100 { #expect(Array(try await pair.bound.receive()) == [number]) }
    }

    @Test func streamsSpeakPlainTCP() async throws {
        let pair = try SocketPair(.stream, .stream, over: .tcp)
        // Both sides first hear of the connection, by an empty message that names the peer.
        var greeting = try await pair.connected.receiveMultipart()
        let frames = greeting.count
        #expect(frames == 2 && greeting[1].isEmpty)
        _ = try await pair.bound.receiveMultipart()
        let peer = try unwrap(greeting.popFirst())
        try await pair.connected.send(Multipart(peer, Message("GET /")))
        #expect(try await pair.bound.receiveMultipart()[1] == Array("GET /".utf8))
    }

    @Test func everyKindOpens() throws {
        let context = try SocketContext()
        for kind in SocketKind.allCases {
            let socket = try context.makeSocket(kind)
            #expect(socket.kind == kind)
        }
    }

    @Test func manySocketsShareALoop() async throws {
        let context = try SocketContext()
        let pairs = try (0..<200).map { _ in try SocketPair(.router, .dealer, in: context) }
        try await withThrowingTaskGroup { group in
            for (index, pair) in pairs.enumerated() {
                group.addTask { try await pair.bound.send(try await pair.bound.receiveMultipart()) }
                group.addTask {
                    try await pair.connected.send([UInt8(index)])
                    #expect(Array(try await pair.connected.receive()) == [UInt8(index)])
                }
            }
            try await group.waitForAll()
        }
        await context.shutdown()
    }
}
