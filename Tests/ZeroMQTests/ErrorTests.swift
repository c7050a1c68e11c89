// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(5)))
struct ErrorTests {
    @Test(arguments: [
        ("nonsense", ZeroMQError.Code.invalidArgument), ("tcp://127.0.0.1:port", .invalidArgument),
        ("carrier-pigeon://loft", .notSupported), ("ipc:///no/such/folder/socket", .noSuchEndpoint),
        ("tcp://203.0.113.1:*", .addressNotAvailable),
    ])
    func badEndpointsAreRefused(endpoint: String, code: ZeroMQError.Code) async throws {
        let socket = try SocketContext().makeSocket(.dealer)
        await expectError(code) { try socket.bind(to: endpoint) }
    }

    @Test func errorsNameOperationAndEndpoint() throws {
        let socket = try SocketContext().makeSocket(.dealer)
        let error = try #require(throws: ZeroMQError.self) { try socket.connect(to: "pigeon://loft") }
        #expect(error.description.hasPrefix("notSupported: \"could not connect a dealer socket to pigeon://loft: "))
        #expect(!error.description.contains("\n"))
    }

    @Test func aTakenPortIsRefused() async throws {
        let context = try SocketContext()
        let first = try context.makeSocket(.dealer)
        let endpoint = try first.bind(to: "tcp://127.0.0.1:*")
        #expect(first.lastEndpoint == endpoint && !endpoint.hasSuffix("*"))
        let second = try context.makeSocket(.dealer)
        await expectError(.addressInUse) { try second.bind(to: endpoint) }
        try first.unbind(from: endpoint)
        // The port is given back by the I/O thread.
        let isFree = try await eventually { (try? second.bind(to: endpoint)) != nil }
        #expect(isFree)
    }

    @Test func longPathsAreRefusedBeforehand() async throws {
        let socket = try SocketContext().makeSocket(.dealer)
        let longest = "ipc:///" + String(repeating: "x", count: 106)
        let error = try #require(throws: ZeroMQError.self) { try socket.bind(to: longest + "x") }
        #expect(error.code == .pathTooLong)
        #expect(error.message.contains("108 bytes") && error.message.contains("107"))
        try socket.connect(to: longest)
        await expectError(.pathTooLong) { try socket.connect(to: longest + "x") }
    }

    @Test func forbiddenPathsAreRefused() async throws {
        // Nobody may create files there, root included.
        let socket = try SocketContext().makeSocket(.dealer)
        await expectError(.permissionDenied) { try socket.bind(to: "ipc:///sys/zmq-test") }
    }

    @Test func routersThatMustRouteKnowTheirPeers() async throws {
        let pair = try SocketPair(.router, .dealer) { router, _ in try router.set(.routerMandatory, to: true) }
        await expectError(.unreachable) { try await pair.bound.send(Multipart([[1, 2, 3], [4]])) }
        var message = Multipart([[1, 2, 3], [4]])
        await expectError(.unreachable) { try pair.bound.trySend(&message) }
        #expect(Array(message) == [[1, 2, 3], [4]])
    }

    @Test func undoingWhatWasNotDoneIsRefused() async throws {
        let socket = try SocketContext().makeSocket(.dealer)
        await expectError(.noSuchEndpoint) { try socket.unbind(from: "tcp://127.0.0.1:1") }
        await expectError(.noSuchEndpoint) { try socket.disconnect(from: "inproc://nobody") }
    }

    @Test func closedSocketsRefuseEverything() async throws {
        let pair = try SocketPair(.pull, .push)
        for socket in [pair.bound, pair.connected] {
            socket.close()
            socket.close()
            await expectError(.closed) { try socket.connect(to: "inproc://x") }
            await expectError(.closed) { try await socket.send([1]) }
            await expectError(.closed) { try await socket.receive() }
            await expectError(.closed) { try socket.tryReceive() }
            await expectError(.closed) { try socket.get(.sendHighWaterMark) }
            await expectError(.closed) { try socket.monitor() }
            #expect(socket.lastEndpoint == nil)
        }
    }

    @Test func contextsWithoutRoomSaySo() async throws {
        let context = try SocketContext(maxSockets: 2)
        let sockets = [try context.makeSocket(.dealer), try context.makeSocket(.dealer)]
        await expectError(.tooManySockets) { try context.makeSocket(.dealer) }
        // Closing makes room again, and keeps the sockets alive till here.
        for socket in sockets { socket.close() }
        let hasRoom = try await eventually { (try? context.makeSocket(.dealer)) != nil }
        #expect(hasRoom)
        #expect(throws: ZeroMQError.self) { try SocketContext(ioThreads: -1) }
    }

    @Test func directionsThatAPatternLacksAreRefused() async throws {
        let pair = try SocketPair(.pull, .push)
        await expectError(.notSupported) { try await pair.bound.send([1]) }
        await expectError(.notSupported) { try await pair.connected.receive() }
    }
}
