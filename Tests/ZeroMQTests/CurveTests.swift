// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(5)))
struct CurveTests {
    @Test func keysAreWrittenAsText() throws {
        let pair = try CurveKeyPair.generate()
        #expect(pair.publicKey != pair.secretKey)
        #expect(pair.publicKey.z85.utf8.count == 40)
        #expect(CurveKey(z85: pair.publicKey.z85) == pair.publicKey)
        #expect(CurveKey(bytes: pair.secretKey.bytes) == pair.secretKey)
        // The test vector of RFC 32, repeated.
        let bytes: [UInt8] = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B]
        #expect(CurveKey(bytes: bytes + bytes + bytes + bytes)?.z85 == "HelloWorldHelloWorldHelloWorldHelloWorld")
    }

    @Test(arguments: ["", "short", String(repeating: "\"", count: 40), String(repeating: "é", count: 20)])
    func textThatIsNoKeyIsRefused(text: String) {
        #expect(CurveKey(z85: text) == nil)
    }

    @Test func otherSizesAreNoKeys() {
        #expect(CurveKey(bytes: []) == nil)
        #expect(CurveKey(bytes: Array(repeating: 0, count: 33)) == nil)
    }

    @Test(arguments: [TestTransport.ipc, .tcp])
    func encryptedPeersTalk(over transport: TestTransport) async throws {
        let server = try CurveKeyPair.generate()
        let client = try CurveKeyPair.generate()
        let pair = try SocketPair(.reply, .request, over: transport) {
            try $0.useCurve(asServerWith: server)
            try $1.useCurve(with: client, server: server.publicKey)
        }
        #expect(try pair.bound.get(.curvePublicKey) == server.publicKey)
        #expect(try pair.connected.get(.curveServerKey) == server.publicKey)
        try await pair.connected.send(Array("secret".utf8))
        #expect(String(try await pair.bound.receive()) == "secret")
        try await pair.bound.send(Array("reply".utf8))
        #expect(String(try await pair.connected.receive()) == "reply")
    }

    @Test func aWrongServerKeyIsRefused() async throws {
        let server = try CurveKeyPair.generate()
        let other = try CurveKeyPair.generate()
        let context = try SocketContext()
        let bound = try context.makeSocket(.pull)
        try bound.useCurve(asServerWith: server)
        let events = try bound.monitor([.handshakeSucceeded, .handshakeFailedProtocol])
        let endpoint = try bound.bind(to: TestTransport.ipc.makeEndpoint())
        let connected = try context.makeSocket(.push)
        try connected.useCurve(with: CurveKeyPair.generate(), server: other.publicKey)
        try connected.connect(to: endpoint)
        try await connected.send([1])
        #expect(await events.next()?.kind == .handshakeFailedProtocol)
        #expect(contents(try bound.tryReceive()) == nil)
    }

    @Test func unencryptedPeersAreRefused() async throws {
        let context = try SocketContext()
        let bound = try context.makeSocket(.pull)
        try bound.useCurve(asServerWith: CurveKeyPair.generate())
        let events = try bound.monitor([.handshakeSucceeded, .handshakeFailedProtocol, .handshakeFailedNoDetail])
        let endpoint = try bound.bind(to: TestTransport.ipc.makeEndpoint())
        let connected = try context.makeSocket(.push)
        try connected.connect(to: endpoint)
        let kind = await events.next()?.kind
        #expect(kind == .handshakeFailedProtocol || kind == .handshakeFailedNoDetail)
    }
}
