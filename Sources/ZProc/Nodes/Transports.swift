// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore
internal import ZProcTransports

/// A node's transports; which one reaches an endpoint is told by its scheme.
///
/// Those that have sockets share their threads.
final class Transports: Sendable {
    private let inProcess: any Transport
    private let unix: any Transport
    private let zeroMQ: any Transport
    private let homeScheme: Endpoint.Scheme

    /// - Parameters:
    ///   - home: how the node is reached by those it belongs to.
    ///   - threadCount: how many tasks run at once on the threads that wait for sockets.
    init(home: Endpoint.Scheme, threadCount: Int) {
        homeScheme = home
        let threads = TransportThreads(count: threadCount)
        inProcess = InProcessTransport()
        unix = UnixSocketTransport(threads: threads)
        zeroMQ = ZeroMQTransport(threads: threads)
    }

    /// One transport for all endpoints.
    init(all transport: any Transport) {
        homeScheme = .inproc
        (inProcess, unix, zeroMQ) = (transport, transport, transport)
    }

    subscript(scheme: Endpoint.Scheme) -> any Transport {
        switch scheme {
        case .inproc: inProcess
        case .unix: unix
        case .ipc, .tcp: zeroMQ
        }
    }

    /// How the node is reached by those it belongs to.
    var home: any Transport { self[homeScheme] }

    /// Ends all links and listeners.
    func shutdown() async {
        await inProcess.shutdown()
        await unix.shutdown()
        await zeroMQ.shutdown()
    }
}
