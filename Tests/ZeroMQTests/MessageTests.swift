// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(5)))
struct MessageTests {
    @Test(arguments: [0, 1, 32, 33, 34, 511, 512, 513, 100_000])
    func bytesGoInAndOut(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        #expect(Array(Message(bytes)) == bytes)
        bytes.withUnsafeBytes { #expect(Array(Message(copying: $0)) == bytes) }
        #expect(Array(Message(copying: bytes.span.bytes)) == bytes)
        #expect(Message(bytes).count == count)
        let filled = Message(count: count) { $0.copyBytes(from: bytes) }
        #expect(filled.withBytes { $0.byteCount } == count)
        #expect(Array(filled) == bytes)
    }

    @Test func textIsUTF8() {
        #expect(String(Message("grüße")) == "grüße")
        #expect(Message("grüße").count == 7)
    }

    @Test func sharingKeepsBothAlive() {
        let bytes = [UInt8](repeating: 9, count: 10_000)
        var message = Message(bytes)
        var copy = message.share()
        message = Message()
        #expect(Array(copy) == bytes)
        #expect(Array(copy.share()) == bytes)
    }

    @Test func anInitializerThatThrowsLeavesNothing() {
        struct Refusal: Error {}
        #expect(throws: Refusal.self) {
            _ = try Message(count: 1_000_000) { _ throws(Refusal) in throw Refusal() }
        }
    }

    @Test func largeArraysAreNotCopied() async throws {
        let pair = try SocketPair(.pull, .push)
        let bytes = [UInt8](repeating: 5, count: 32 << 20)
        try await pair.connected.send(bytes)
        let message = try await pair.bound.receive()
        let source = bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        #expect(message.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } == source)
        #expect(message.count == bytes.count)
    }

    @Test func arraysOutliveTheirSender() async throws {
        let pair = try SocketPair(.pull, .push)
        for number in UInt8(0)..<50 { try await pair.connected.send([UInt8](repeating: number, count: 5000)) }
        for number in UInt8(0)..<50 {
            #expect(Array(try await pair.bound.receive()) == [UInt8](repeating: number, count: 5000))
        }
    }

    @Test(arguments: [TestTransport.ipc, .tcp])
    func largeMessagesCrossConnections(over transport: TestTransport) async throws {
        let pair = try SocketPair(.pull, .push, over: transport)
        let bytes = (0..<(32 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await pair.connected.send(Multipart([bytes, [1]]))
        let message = try await pair.bound.receiveMultipart()
        #expect(message.count == 2)
        #expect(message.withUnsafeBytes(at: 0) { received in bytes.withUnsafeBytes { received.elementsEqual($0) } })
    }

    @Test(arguments: TestTransport.allCases)
    func multipartArrivesWhole(over transport: TestTransport) async throws {
        let pair = try SocketPair(.pull, .push, over: transport)
        let parts: [[UInt8]] = [[], [1], Array(repeating: 2, count: 40), Array(repeating: 3, count: 5000), []]
        try await pair.connected.send(Multipart(parts))
        #expect(Array(try await pair.bound.receiveMultipart()) == parts)
        try await pair.connected.send(Multipart(parts))
        var frames: [[UInt8]] = []
        var more = true
        while more {
            let frame = try await pair.bound.receive()
            more = frame.more
            frames.append(Array(frame))
        }
        #expect(frames == parts)
    }

    @Test func concurrentMultipartsAreNotMixed() async throws {
        let pair = try SocketPair(.pull, .push, over: .ipc)
        try await withThrowingTaskGroup { group in
            for sender in UInt8(0)..<8 {
                group.addTask {
                    for number in 0..<500 {
                        let frame = [sender, UInt8(number % 250)]
                        try await pair.connected.send(Multipart(Array(repeating: frame, count: 1 + number % 5)))
                    }
                }
            }
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<1000 {
                        let frames = Array(try await pair.bound.receiveMultipart())
                        #expect(frames.count == 1 + Int(frames[0][1]) % 5)
                        #expect(Set(frames).count == 1)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func batchesKeepBoundariesAndOrder() async throws {
        let pair = try SocketPair(.pull, .push)
        var batch = MessageBatch()
        for number in UInt8(0)..<100 {
            if number % 2 == 0 { batch.append(Message([number])) } else { batch.append(Multipart([[number], [0]])) }
        }
        let count = batch.count
        #expect(count == 100)
        try await pair.connected.send(batch)
        var number = UInt8(0)
        while number < 100 {
            var received = try await pair.bound.receiveBatch(limit: 30)
            let receivedCount = received.count
            #expect(receivedCount <= 30)
            while let message = received.popFirst() {
                #expect(Array(message) == (number % 2 == 0 ? [[number]] : [[number], [0]]))
                number += 1
            }
        }
        #expect(number == 100)
    }

    @Test func batchesGiveFramesOneByOne() throws {
        var batch = MessageBatch()
        batch.append(Multipart([[1], [2]]))
        batch.append(Message([3]))
        batch.append(Multipart())
        let counts = [batch.count, batch.firstFrameCount]
        #expect(counts == [2, 2])
        let second = batch.withUnsafeBytesOfFirst(at: 1) { Array($0) }
        #expect(second == [2])
        #expect(contents(batch.popFrame()) == [1])
        let left = batch.firstFrameCount
        #expect(left == 1)
        batch.append(Message([4]))
        #expect(contents(batch.popFrame()) == [2])
        #expect(contents(batch.popFirst()) == [[3]])
        #expect(contents(batch.popFrame()) == [4])
        let isEmpty = batch.isEmpty
        #expect(isEmpty)
        #expect(contents(batch.popFrame()) == nil)
    }

    @Test func aMessageWithoutFramesIsRefused() async throws {
        let pair = try SocketPair(.pull, .push)
        await expectError(.invalidArgument) { try await pair.connected.send(Multipart()) }
    }

    @Test func messagesTellWhereTheyCameFrom() async throws {
        let pair = try SocketPair(.pull, .push, over: .tcp)
        try await pair.connected.send([1])
        let message = try await pair.bound.receive()
        #expect(message[.peerAddress] == "127.0.0.1")
        #expect(message[.socketType] == "PUSH")
        #expect(message[.userID] == nil)
    }
}
