// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(5)))
struct OptionTests {
    private let context: SocketContext
    private let socket: Socket

    init() throws {
        context = try SocketContext()
        socket = try context.makeSocket(.dealer)
    }

    private func readBack<Value: Equatable>(_ option: SocketOption<Value>, _ values: Value...) throws {
        for value in values {
            try socket.set(option, to: value)
            #expect(try socket.get(option) == value)
        }
    }

    @Test func numbersReadBack() throws {
        try readBack(.sendHighWaterMark, 0, 1, 123_456)
        try readBack(.receiveHighWaterMark, 0, 7)
        try readBack(.maxMessageSize, -1, 1 << 40)
        try readBack(.backlog, 5)
        try readBack(.sendBuffer, -1, 65_536)
        try readBack(.receiveBuffer, -1, 65_536)
        try readBack(.tcpKeepaliveCount, -1, 3)
    }

    @Test func flagsReadBack() throws {
        try readBack(.immediate, true, false)
        try readBack(.ipv6, true, false)
        try readBack(.conflate, true, false)
        try readBack(.tcpKeepalive, true, false, nil)
        try readBack(.curveServer, true, false)
        try readBack(.plainServer, true, false)
        try readBack(.invertMatching, true, false)
    }

    @Test func durationsReadBack() throws {
        try readBack(.linger, nil, .zero, .milliseconds(250), .seconds(3))
        try readBack(.reconnectInterval, nil, .milliseconds(20))
        try readBack(.maxReconnectInterval, .zero, .seconds(2))
        try readBack(.heartbeatInterval, .zero, .milliseconds(500))
        try readBack(.heartbeatTimeout, .milliseconds(700))
        try readBack(.heartbeatTimeToLive, .milliseconds(900))
        try readBack(.handshakeInterval, .seconds(5))
        try readBack(.connectTimeout, .milliseconds(1500))
        try readBack(.tcpKeepaliveIdle, nil, .seconds(9))
        try readBack(.tcpKeepaliveInterval, nil, .seconds(4))
    }

    @Test func shortDurationsDoNotBecomeNone() throws {
        try socket.set(.heartbeatInterval, to: .microseconds(1))
        #expect(try socket.get(.heartbeatInterval) == .milliseconds(1))
    }

    @Test func namesReadBack() throws {
        try readBack(.routingID, [1, 2, 3], Array("worker-1".utf8))
        try readBack(.plainUsername, "user")
        try readBack(.plainPassword, "password")
        try readBack(.zapDomain, "global")
    }

    @Test func lingerIsZeroUnlessSet() throws {
        for kind in SocketKind.allCases { #expect(try context.makeSocket(kind).get(.linger) == .zero) }
    }

    @Test func optionsOfOneKindAreSet() throws {
        try context.makeSocket(.router).set(.routerMandatory, to: true)
        try context.makeSocket(.router).set(.routerHandover, to: true)
        try context.makeSocket(.router).set(.connectRoutingID, to: [1])
        try context.makeSocket(.dealer).set(.probeRouter, to: true)
        try context.makeSocket(.request).set(.requestRelaxed, to: true)
        try context.makeSocket(.request).set(.requestCorrelate, to: true)
        try context.makeSocket(.xpub).set(.xpubVerbose, to: true)
        try context.makeSocket(.xpub).set(.xpubVerboser, to: true)
        try context.makeSocket(.xpub).set(.xpubNoDrop, to: true)
        try context.makeSocket(.xpub).set(.welcomeMessage, to: [1])
        try context.makeSocket(.stream).set(.streamNotify, to: false)
    }

    @Test func valuesOutOfRangeAreRefused() async throws {
        await expectError(.invalidArgument) { try socket.set(.sendHighWaterMark, to: -1) }
        await expectError(.invalidArgument) { try socket.set(.sendHighWaterMark, to: Int.max) }
        await expectError(.invalidArgument) { try socket.set(.routingID, to: []) }
        await expectError(.invalidArgument) { try socket.set(.linger, to: .seconds(-1)) }
        await expectError(.invalidArgument) { try socket.set(.heartbeatInterval, to: .seconds(Int64.max)) }
        await expectError(.invalidArgument) { try socket.set(.routerMandatory, to: true) }
        let error = try #require(throws: ZeroMQError.self) { try socket.set(.routingID, to: []) }
        #expect(error.message.hasPrefix("could not set routingID of a dealer socket"))
    }

    @Test func optionsThatCanOnlyBeSetAreNotRead() async throws {
        let router = try context.makeSocket(.router)
        await expectError(.invalidArgument) { try router.get(.routerMandatory) }
    }

    @Test func messagesThatAreTooLargeCutThePeerOff() async throws {
        let pair = try SocketPair(.pull, .push, over: .ipc) { pull, _ in try pull.set(.maxMessageSize, to: 1000) }
        let events = try pair.bound.monitor([.disconnected])
        try await pair.connected.send([UInt8](repeating: 1, count: 1000))
        #expect(try await pair.bound.receive().count == 1000)
        try await pair.connected.send([UInt8](repeating: 1, count: 1001))
        #expect(await events.next()?.kind == .disconnected)
    }

    @Test func probesIntroduceADealer() async throws {
        let pair = try SocketPair(.router, .dealer, over: .ipc) { _, dealer in
            try dealer.set(.routingID, to: [7])
            try dealer.set(.probeRouter, to: true)
        }
        #expect(Array(try await pair.bound.receiveMultipart()) == [[7], []])
    }
}
