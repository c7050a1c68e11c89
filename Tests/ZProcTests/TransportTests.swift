// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import ZProcCore
import ZProcZeroMQ

@Suite(.timeLimit(.minutes(5))) struct TransportTests {
    enum Kind: CaseIterable {
        case inProcess, ipc, tcp

        func make() -> any Transport { self == .inProcess ? InProcessTransport() : ZeroMQTransport() }

        func endpoint() throws -> Endpoint {
            switch self {
            case .inProcess: try Endpoint(.inproc, "*")
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
    @Test(arguments: Kind.allCases)
    func whatWasSentBeforeTheLinkWasClosedArrives(over kind: Kind) async throws {
        for _ in 0..<50 {
            let server = kind.make(), client = kind.make(), listener = try server.listen(at: kind.endpoint())
            let echo = Echo(listener), answers = Answers()
            try listener.start(echo)
            let link = try client.connect(to: listener.endpoint, receiver: answers)
            try link.send([0])
            try await eventually { answers.messages.count == 1 }
            await withDiscardingTaskGroup { group in
                for number: UInt8 in 1...100 { group.addTask { try? link.send([number]) } }
            }
            await client.shutdown()
            try await eventually { echo.count == 101 }
            await server.shutdown()
        }
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

private final class Echo: ListenerReceiver {
    private let listener: any TransportListener
    private let received = Atomic(0)
    var count: Int { received.load(ordering: .relaxed) }

    init(_ listener: any TransportListener) { self.listener = listener }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        received.add(1, ordering: .relaxed)
        try? listener.send(message, to: peer)
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
