// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import ZeroMQ

/// Far above what is ever in flight, as in the C echo.
private let highWaterMark = 100_000

/// Serves until the process ends, or the socket fails.
func serveEcho(at endpoint: String) async throws {
    let context = try SocketContext()
    let socket = try context.makeSocket(.router)
    try socket.set(.sendHighWaterMark, to: highWaterMark)
    try socket.set(.receiveHighWaterMark, to: highWaterMark)
    try socket.bind(to: endpoint)
    try await withTaskExecutorPreference(context.loop) {
        // Routing ids come first in what is received, and are what a router wants first in what is sent.
        while true { try await socket.send(try await socket.receiveBatch()) }
    }
}

/// An echo in Swift, with its server in another process.
final class SwiftEcho: Sendable {
    private let context: SocketContext
    private let socket: Socket
    private let payload = [UInt8](repeating: 0x5a, count: Echo.payload)

    private init(context: SocketContext, endpoint: String) throws {
        self.context = context
        socket = try context.makeSocket(.dealer)
        try socket.set(.sendHighWaterMark, to: highWaterMark)
        try socket.set(.receiveHighWaterMark, to: highWaterMark)
        try socket.set(.reconnectInterval, to: .milliseconds(10))
        try socket.connect(to: endpoint)
    }

    /// Runs `body` with a client of a server made for it; the server ends with it.
    static func with(_ body: (SwiftEcho) async throws -> Figures) async throws -> Figures {
        let server = try EchoServer { .swiftEcho(endpoint: $0) }
        let context = try SocketContext()
        let echo = try SwiftEcho(context: context, endpoint: server.endpoint)
        try await echo.awaitServer()
        let figures = try await body(echo)
        await context.shutdown()
        withExtendedLifetime(server) {}
        return figures
    }

    private func awaitServer() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.roundTrip() }
            group.addTask {
                try await Task.sleep(for: Echo.patience)
                throw BenchError("the Swift echo server does not answer")
            }
            try await group.next()
            group.cancelAll()
        }
    }

    private func roundTrip() async throws {
        try await socket.send(Message(payload))
        let answer = try await socket.receive()
        if answer.count != Echo.payload { throw BenchError("the Swift echo server has answered something else") }
    }

    /// Asks one at a time.
    func latency(for span: Nanoseconds) async throws -> Samples {
        try await withTaskExecutorPreference(context.loop) {
            try await sample(for: span) { _ in try await self.roundTrip() }
        }
    }

    /// Asks with many messages in flight; what has come together is asked again together.
    func throughput(for span: Nanoseconds) async throws -> Samples {
        try await withTaskExecutorPreference(context.loop) {
            let start = cbr_now()
            var count = 0
            try await self.ask(Echo.inFlight)
            while cbr_now() - start < span {
                let answers = try await self.socket.receiveBatch().count
                count += answers
                try await self.ask(answers)
            }
            var waiting = Echo.inFlight
            while waiting > 0 { waiting -= try await self.socket.receiveBatch().count }
            var samples = Samples()
            samples.record(Double(count + Echo.inFlight) * 1e9 / Double(cbr_now() - start))
            return samples
        }
    }

    private func ask(_ count: Int) async throws {
        var batch = MessageBatch()
        for _ in 0..<count { batch.append(Message(payload)) }
        try await socket.send(batch)
    }
}
