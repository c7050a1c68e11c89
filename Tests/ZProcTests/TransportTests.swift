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
    init(_ listener: any TransportListener) { self.listener = listener }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) { try? listener.send(message, to: peer) }
    func listenerLost(_ peer: PeerID) {}
}

private final class Answers: LinkReceiver {
    private let received = Mutex<[[UInt8]]>([])
    var messages: [[UInt8]] { received.withLock { $0 } }

    func linkReceived(_ message: [UInt8]) { received.withLock { $0.append(message) } }
    func linkClosed(_ error: TransportError) {}
}
