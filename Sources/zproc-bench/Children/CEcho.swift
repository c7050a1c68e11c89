// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference

/// The reference for everything that is a message there and one back: an echo in C, with its server in another process.
final class CEcho {
    static let latencyName = "C echo"
    static let throughputName = "C echo, 1,000 in flight"

    private let server: EchoServer
    private let client: OpaquePointer
    private var buffer = [UInt64](repeating: 0, count: 1 << 20)

    init() throws {
        server = try EchoServer { .cEcho(endpoint: $0) }
        guard
            let client = cbr_echo_client_create(
                server.endpoint,
                Echo.payload,
                Int32(Echo.patience.components.seconds * 1000)
            )
        else { throw BenchError("the C echo server does not answer") }
        self.client = client
    }

    deinit {
        cbr_echo_client_destroy(client)
    }

    /// Asks one at a time.
    func latency(for span: Nanoseconds) throws -> Samples {
        let count = cbr_echo_latency(client, span, &buffer, buffer.count)
        if count == 0 { throw BenchError("the C echo server has stopped answering") }
        var samples = Samples()
        for latency in buffer.prefix(count) { samples.record(Double(latency)) }
        return samples
    }

    /// Asks with many messages in flight.
    func throughput(for span: Nanoseconds) throws -> Samples {
        let rate = cbr_echo_throughput(client, Echo.inFlight, span)
        if rate == 0 { throw BenchError("the C echo server has stopped answering") }
        var samples = Samples()
        samples.record(rate)
        return samples
    }
}

/// The reference for a hub with many clients: each of them in C, with a thread and a libzmq of its own, asks an echo one at
/// a time, over tcp.
struct CEchoClients {
    static func name(_ count: Int) -> String { "\(count) clients of a C echo" }

    private let server: EchoServer

    init() throws { server = try EchoServer(overTCP: true) { .cEcho(endpoint: $0) } }

    /// How many answers all have in a second.
    func rate(_ count: Int, for span: Nanoseconds) throws -> Samples {
        let patience = Int32(Echo.patience.components.seconds * 1000)
        let rate = cbr_echo_clients(server.endpoint, Echo.payload, count, span, patience)
        if rate == 0 { throw BenchError("the C echo server does not answer") }
        var samples = Samples()
        samples.record(rate)
        return samples
    }
}
