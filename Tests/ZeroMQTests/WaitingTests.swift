// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(5)))
struct WaitingTests {
    @Test(arguments: TestTransport.allCases)
    func aFullSocketSuspendsItsSenders(over transport: TestTransport) async throws {
        let pair = try SocketPair(.pull, .push, over: transport) {
            try $0.set(.receiveHighWaterMark, to: 2)
            try $1.set(.sendHighWaterMark, to: 2)
            // Few and large messages fill the connection's buffers too.
            try $0.set(.receiveBuffer, to: 4096)
            try $1.set(.sendBuffer, to: 4096)
        }
        let payload = [UInt8](repeating: 1, count: 100_000)
        let sent = Shared(0)
        let total = 50
        try await withThrowingTaskGroup { group in
            group.addTask {
                for number in 0..<total {
                    try await pair.connected.send(Multipart([[UInt8(number)], payload]))
                    sent.update { $0 += 1 }
                }
            }
            // The sender gets stuck: after it has filled the queues, trying does not succeed either.
            let isFull = try await eventually { sent.value > 0 && (try? pair.fillUp(payload)) == true }
            #expect(isFull)
            #expect(sent.value < total)
            var received = 0
            while received < total {
                let message = try await pair.bound.receiveMultipart()
                if message.count == 1 { continue }  // from filling up
                #expect(message[0] == [UInt8(received)])
                received += 1
            }
            try await group.waitForAll()
        }
        #expect(sent.value == total)
    }

    @Test func aSocketWithoutPeersIsFull() async throws {
        let context = try SocketContext()
        let push = try context.makeSocket(.push)
        let pull = try context.makeSocket(.pull)
        var message = Message("later")
        let wasSent = try push.trySend(&message)
        #expect(!wasSent && String(message) == "later")
        try await withThrowingTaskGroup { group in
            group.addTask { try await push.send(Array("now".utf8)) }
            group.addTask {
                let endpoint = try pull.bind(to: TestTransport.ipc.makeEndpoint())
                try push.connect(to: endpoint)
                #expect(String(try await pull.receive()) == "now")
            }
            try await group.waitForAll()
        }
    }

    @Test func aFullPeerHoldsUpOnlyItself() async throws {
        let context = try SocketContext()
        let router = try context.makeSocket(.router)
        try router.set(.routerMandatory, to: true)
        try router.set(.sendHighWaterMark, to: 1)
        let endpoint = try router.bind(to: TestTransport.inproc.makeEndpoint())
        let peers = try [UInt8(1), 2].map { name in
            let peer = try context.makeSocket(.dealer)
            try peer.set(.routingID, to: [name])
            try peer.set(.receiveHighWaterMark, to: 1)
            try peer.connect(to: endpoint)
            return peer
        }
        // Fill the first peer, and leave two senders waiting for it.
        var filled = 0
        var message = Multipart([[1], [0]])
        while try router.trySend(&message) {
            filled += 1
            message = Multipart([[1], [0]])
        }
        try await withThrowingTaskGroup { group in
            group.addTask { try await router.send(Multipart([[1], [8]])) }
            try await router.send(Multipart([[2], [9]]))
            #expect(Array(try await peers[1].receive()) == [9])
            for _ in 0..<filled { #expect(Array(try await peers[0].receive()) == [0]) }
            #expect(Array(try await peers[0].receive()) == [8])
            try await group.waitForAll()
        }
    }

    @Test func aWaitingSenderHearsThatItsPeerHasGone() async throws {
        let pair = try SocketPair(.router, .dealer) { router, dealer in
            try router.set(.routerMandatory, to: true)
            try router.set(.sendHighWaterMark, to: 1)
            try dealer.set(.receiveHighWaterMark, to: 1)
            try dealer.set(.routingID, to: [1])
        }
        let router = pair.bound
        var message = Multipart([[1], [0]])
        while try router.trySend(&message) { message = Multipart([[1], [0]]) }
        let sender = Task { try await router.send(Multipart([[1], [8]])) }
        pair.connected.close()
        await expectError(.unreachable) { try await sender.value }
    }

    @Test func cancellationEndsAReceive() async throws {
        let pair = try SocketPair(.pull, .push)
        let receiver = Task { Array(try await pair.bound.receive()) }
        receiver.cancel()
        await expectError(.cancelled) { try await receiver.value }
        // Nothing is taken away by a receive that was cancelled.
        try await pair.connected.send([1])
        #expect(Array(try await pair.bound.receive()) == [1])
    }

    @Test func cancellationLosesNoMessage() async throws {
        let pair = try SocketPair(.pull, .push, over: .ipc)
        var received = 0
        for _ in 0..<500 {
            let receiver = Task { _ = try await pair.bound.receive() }
            async let sending: Void = pair.connected.send([1])
            receiver.cancel()
            do {
                try await receiver.value
                received += 1
            } catch let error as ZeroMQError {
                #expect(error.code == .cancelled)
            }
            try await sending
        }
        while received < 500 {
            _ = try await pair.bound.receive()
            received += 1
        }
        #expect(contents(try pair.bound.tryReceive()) == nil)
    }

    @Test func cancellationEndsASend() async throws {
        let push = try SocketContext().makeSocket(.push)
        let sender = Task { try await push.send([1]) }
        sender.cancel()
        await expectError(.cancelled) { try await sender.value }
    }

    @Test func whatIsThereIsReceivedByACancelledTask() async throws {
        let pair = try SocketPair(.pull, .push)
        try await pair.connected.send([1])
        let receiver = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return Array(try await pair.bound.receive())
        }
        #expect(try await receiver.value == [1])
    }

    @Test func closingEndsAllWaits() async throws {
        let context = try SocketContext()
        let socket = try context.makeSocket(.dealer)
        await withTaskGroup { group in
            for _ in 0..<10 {
                group.addTask { await expectError(.closed) { try await socket.receive() } }
                group.addTask { await expectError(.closed) { try await socket.receiveMultipart() } }
                group.addTask { await expectError(.closed) { try await socket.receiveBatch() } }
                group.addTask { await expectError(.closed) { try await socket.send([1]) } }
            }
            socket.close()
        }
    }

    @Test func shuttingDownEndsAllWaits() async throws {
        let context = try SocketContext()
        let sockets = try (0..<10).map { _ in try context.makeSocket(.dealer) }
        await withTaskGroup { group in
            for socket in sockets { group.addTask { await expectError(.closed) { try await socket.receive() } } }
            await context.shutdown()
            await context.shutdown()
        }
        await expectError(.closed) { try context.makeSocket(.pair) }
    }

    @Test func waitersAreServedInOrder() async throws {
        let pair = try SocketPair(.pull, .push)
        // Tasks on one thread run up to their wait one after another.
        try await withTaskExecutorPreference(pair.context.loop) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in UInt8(0)..<50 {
                    group.addTask {
                        let message = try await pair.bound.receive()
                        #expect(Array(message) == [number])
                    }
                }
                group.addTask { for number in UInt8(0)..<50 { try await pair.connected.send([number]) } }
                try await group.waitForAll()
            }
        }
    }

    @Test func lingeringMessagesAreSentAfterClosing() async throws {
        let pair = try SocketPair(.pull, .push, over: .ipc) { try $1.set(.linger, to: .seconds(10)) }
        for number in UInt8(0)..<100 { try await pair.connected.send([number]) }
        pair.connected.close()
        for number in UInt8(0)..<100 { #expect(Array(try await pair.bound.receive()) == [number]) }
    }
}

extension SocketPair {
    /// Sends until the connected socket takes no more; returns whether it was full from the first.
    fileprivate func fillUp(_ payload: [UInt8]) throws -> Bool {
        var sent = 0
        while try connected.trySend(payload) { sent += 1 }
        return sent == 0
    }
}
