// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FlyingFox
import FlyingSocks
import FoundationEssentials
import Glibc
import ServiceLifecycle

/// Answers `GET /metrics` with what has been collected, until it is told to shut down.
struct MetricsServer: Service {
    let address: MetricsAddress
    /// Called for each request; gives the answer.
    let text: @Sendable () -> String
    /// Called once others can ask, with where that is.
    let onListening: @Sendable (MetricsAddress) -> Void

    func run() async throws {
        let server = HTTPServer(address: try address.socketAddress, timeout: 5, logger: .disabled)
        await server.appendRoute("GET /metrics") { _ in
            let type = HTTPHeaders([.contentType: "text/plain; version=0.0.4; charset=utf-8"])
            return HTTPResponse(statusCode: .ok, headers: type, body: Data(text().utf8))
        }
        // On its own: when there is nothing to wait for, nobody waits for it.
        let announcing = Task {
            guard (try? await server.waitUntilListening(timeout: 30)) != nil else { return }
            guard case .ip4(_, let port)? = await server.listeningAddress else { return }
            onListening(MetricsAddress(host: address.host, port: port))
        }
        defer { announcing.cancel() }
        try await withThrowingTaskGroup { group in
            group.addTask {
                do {
                    try await server.run()
                } catch {
                    // That is how it ends when it is told to.
                    if Task.isCancelled || Task.isShuttingDownGracefully { return }
                    throw Failure("the metrics cannot be served at \(address): \(Self.reason(error))")
                }
            }
            group.addTask {
                try await gracefulShutdown()
                await server.stop(timeout: 1)
            }
            defer { group.cancelAll() }
            // Either ends of itself when it fails; the other would go on.
            while try await group.next() != nil {}
        }
    }

    private static func reason(_ error: any Error) -> String {
        if case .failed(_, _, let message)? = error as? SocketError { return message }
        return "\(error)"
    }
}

/// Where metrics are served: `HOST:PORT`, with port 0 or `*` for a free one.
struct MetricsAddress: Sendable, CustomStringConvertible {
    var host: String
    var port: UInt16

    init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Nil for text that names no host of four numbers, or no port.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let host = String(text[..<colon]), port = text[text.index(after: colon)...]
        guard let port = port == "*" ? 0 : UInt16(port) else { return nil }
        self.init(host: host == "localhost" ? "127.0.0.1" : host, port: port)
        guard (try? socketAddress) != nil else { return nil }
    }

    var description: String { "http://\(host):\(port)/metrics" }

    fileprivate var socketAddress: some SocketAddress {
        get throws { try sockaddr_in.inet(ip4: host, port: port) }
    }
}
