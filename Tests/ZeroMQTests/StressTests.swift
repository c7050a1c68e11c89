// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZeroMQ

/// Looks for wake-ups that get lost when many threads use a socket that the loop waits for.
///
/// A lost one hangs.
@Suite(.timeLimit(.minutes(3)))
struct StressTests {
    @Test(arguments: TestTransport.allCases)
    func oneAtATimeFromManyTasks(over transport: TestTransport) async throws {
        // Replies arrive while other tasks send on the same socket and swallow their signals.
        let pair = try SocketPair(.router, .dealer, over: transport)
        try await Self.echo(pair, tasks: 8, rounds: 500)
    }

    @Test func fullSocketsFromManyTasks() async throws {
        let pair = try SocketPair(.router, .dealer, over: .ipc) {
            for socket in [$0, $1] {
                try socket.set(.sendHighWaterMark, to: 1)
                try socket.set(.receiveHighWaterMark, to: 1)
            }
            try $0.set(.routerMandatory, to: true)
        }
        try await Self.echo(pair, tasks: 16, rounds: 200)
    }

    @Test func onAndOffTheLoop() async throws {
        let pair = try SocketPair(.router, .dealer, over: .ipc)
        try await withTaskExecutorPreference(pair.context.loop) { try await Self.echo(pair, tasks: 4, rounds: 500) }
    }

    @Test func handlersAmongFullSenders() async throws {
        // Both directions of both sockets are full most of the time; a handler must not wait, so it starts a task.
        let pair = try SocketPair(.router, .dealer, over: .ipc) {
            for socket in [$0, $1] {
                try socket.set(.sendHighWaterMark, to: 2)
                try socket.set(.receiveHighWaterMark, to: 2)
            }
            try $0.set(.routerMandatory, to: true)
        }
        let total = 4000
        let (replies, continuation) = AsyncStream.makeStream(of: Int.self)
        let (requests, requestContinuation) = AsyncStream.makeStream(of: [[UInt8]].self)
        try pair.bound.deliver { batch in
            var batch = batch
            while let request = batch.popFirst() { requestContinuation.yield(Array(request)) }
        }
        try pair.connected.deliver { batch in continuation.yield(batch.count) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { for _ in 0..<total / 4 { try await pair.connected.send([1, 2, 3]) } }
            }
            group.addTask {
                var answered = 0
                for await request in requests {
                    try await pair.bound.send(Multipart(request))
                    answered += 1
                    if answered == total { return }
                }
            }
            var received = 0
            for await count in replies {
                received += count
                if received >= total { break }
            }
            try await group.waitForAll()
            #expect(received == total)
        }
    }

    @Test func cancelledReceiversAmongOthers() async throws {
        let pair = try SocketPair(.pull, .push, over: .ipc)
        let received = Shared(0)
        let total = 4000
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    while received.value < total {
                        let receiver = Task {
                            _ = try await pair.bound.receive()
                            received.update { $0 += 1 }
                        }
                        await Task.yield()
                        receiver.cancel()
                        _ = await receiver.result
                    }
                }
            }
            for _ in 0..<4 {
                group.addTask { for _ in 0..<total / 4 { try await pair.connected.send([1]) } }
            }
            try await group.waitForAll()
        }
        #expect(received.value == total)
    }

    /// Each task sends its number and receives somebody's echo; the server's tasks send back what they receive.
    private static func echo(_ pair: SocketPair, tasks: Int, rounds: Int) async throws {
        let sum = Shared(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<tasks {
                group.addTask {
                    for round in 0..<rounds {
                        let message = try await pair.bound.receiveMultipart()
                        // Some replies come in batches.
                        if round % 3 == 0 {
                            var batch = MessageBatch()
                            batch.append(message)
                            try await pair.bound.send(batch)
                        } else {
                            try await pair.bound.send(message)
                        }
                    }
                }
                group.addTask {
                    for round in 0..<rounds {
                        try await pair.connected.send([UInt8(number)])
                        let reply = round % 2 == 0 ? try await pair.connected.receive() : try await one(pair.connected)
                        let value = Int(Array(reply)[0])
                        sum.update { $0 += value }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(sum.value == (0..<tasks).reduce(0, +) * rounds)
    }

    private static func one(_ socket: Socket) async throws -> Message {
        var batch = try await socket.receiveBatch(limit: 1)
        return try unwrap(batch.popFrame())
    }
}
