// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(5)))
struct MonitorTests {
    @Test(arguments: [TestTransport.ipc, .tcp])
    func aConnectionsLifeIsReported(over transport: TestTransport) async throws {
        let context = try SocketContext()
        let bound = try context.makeSocket(.pull)
        let events = try bound.monitor()
        let endpoint = try bound.bind(to: transport.makeEndpoint())
        let connected = try context.makeSocket(.push)
        let clientEvents = try connected.monitor([.connected, .handshakeSucceeded, .disconnected])
        try connected.connect(to: endpoint)
        let listening = try #require(await events.next())
        #expect(listening.kind == .listening && listening.endpoint == endpoint)
        #expect(await events.next()?.kind == .accepted)
        #expect(await events.next()?.kind == .handshakeSucceeded)
        #expect(await clientEvents.next()?.kind == .connected)
        #expect(await clientEvents.next()?.kind == .handshakeSucceeded)
        connected.close()
        #expect(await events.next()?.kind == .disconnected)
        bound.close()
        #expect(await clientEvents.next()?.kind == .monitorStopped)
        #expect(await clientEvents.next() == nil)
        var last: MonitorEvent?
        for await event in events { last = event }
        #expect(last?.kind == .monitorStopped)
    }

    @Test func aKilledProcessIsReportedAtOnce() async throws {
        let context = try SocketContext()
        let bound = try context.makeSocket(.reply)
        let events = try bound.monitor([.handshakeSucceeded, .disconnected])
        let endpoint = try bound.bind(to: TestTransport.ipc.makeEndpoint())
        async let serving: Void = {
            _ = try await bound.receive()
            try await bound.send([2])
        }()
        await #expect(processExitsWith: .signal(SIGKILL)) { [endpoint = endpoint as String] in
            let context = try SocketContext()
            let socket = try context.makeSocket(.request)
            try socket.connect(to: endpoint)
            try await socket.send([1])
            _ = try await socket.receive()
            kill(getpid(), SIGKILL)
        }
        try await serving
        #expect(await events.next()?.kind == .handshakeSucceeded)
        #expect(await events.next()?.kind == .disconnected)
    }

    /// libzmq's thread that closes sockets must not wait for a reader of its events.
    @Test func theReaderOfEventsMayGoBeforeTheSocket() async throws {
        for round in 0..<300 {
            let context = try SocketContext()
            for _ in 0..<4 {
                let socket = try context.makeSocket(.dealer)
                let events = try socket.monitor()
                try socket.connect(to: TestTransport.ipc.makeEndpoint())
                // Closed at once, or left to the context.
                if round % 2 == 0 { socket.close() }
                events.stop()
            }
            await context.shutdown()
        }
    }

    @Test func theOtherSideOfAFailureIsReported() async throws {
        let context = try SocketContext()
        let socket = try context.makeSocket(.dealer)
        let events = try socket.monitor([.connectRetried, .closed])
        try socket.connect(to: TestTransport.ipc.makeEndpoint())
        var iterator = events.makeAsyncIterator()
        let kinds = [await iterator.next()?.kind, await iterator.next()?.kind]
        #expect(kinds.contains(.connectRetried))
    }

    @Test func stoppingEndsTheSequence() async throws {
        let socket = try SocketContext().makeSocket(.dealer)
        let events = try socket.monitor()
        async let next = events.next()
        events.stop()
        let event = await next
        #expect(event == nil || event?.kind == .monitorStopped)
        #expect(await events.next() == nil)
    }

    @Test func aNewMonitorTakesOver() async throws {
        let socket = try SocketContext().makeSocket(.dealer)
        var first: MonitorEvents? = try socket.monitor()
        let second = try socket.monitor([.listening])
        #expect(await first?.next()?.kind == .monitorStopped)
        first = nil
        let third = try socket.monitor([.listening])
        second.stop()
        try socket.bind(to: TestTransport.ipc.makeEndpoint())
        #expect(await third.next()?.kind == .listening)
    }

    @Test func cancellationEndsTheSequence() async throws {
        let socket = try SocketContext().makeSocket(.dealer)
        let events = try socket.monitor()
        let reader = Task { await events.next() }
        reader.cancel()
        #expect(await reader.value == nil)
    }

    @Test func unreadEventsDoNotStopConnections() async throws {
        let context = try SocketContext()
        let bound = try context.makeSocket(.pull)
        let events = try bound.monitor()
        let endpoint = try bound.bind(to: TestTransport.ipc.makeEndpoint())
        for number in UInt8(0)..<200 {
            let socket = try context.makeSocket(.push)
            try socket.connect(to: endpoint)
            try await socket.send([number])
            #expect(Array(try await bound.receive()) == [number])
        }
        #expect(await events.next()?.kind == .listening)
    }
}
