// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Calls to a hub that may go away and come back.
///
/// A call that got no answer is made again over the next connection. What changes something carries the client's number
/// for it, so that the hub carries it out once; see ``UpdateRequest``.
final class HubClient: Sendable {
    let address: NodeAddress
    /// What children are to know.
    let access: HubAccess
    private unowned let system: ZProcSystem
    private let number = UInt64.random(in: 1...UInt64.max)
    private let requests = Mutex(RequestNumbers())
    private struct Contact {
        /// Which run of the hub was talked to last.
        var node: NodeID?
        var reconnects = 0
    }
    private let contact = Mutex(Contact())

    init(_ system: ZProcSystem, _ access: HubAccess) {
        self.system = system
        address = NodeAddress(endpoint: access.endpoint, node: .any)
        self.access = access
        system.node.setOptions(access.connectOptions, for: access.endpoint, moving: access.moves)
    }

    private var patience: Duration { access.patience }

    /// How often the hub was found again after it had been away.
    var reconnectCount: Int { contact.withLock { $0.reconnects } }

    /// Finds out whether the hub is there.
    ///
    /// - Throws: ``TransportError`` when it is not, refuses, or does not answer in time.
    func greet(within time: Duration) async throws {
        do {
            met(try await withCallDeadline(time) { try await self.system.node.connection(to: self.address).peer() })
        } catch let error as CallError where error.code == .deadlineExceeded {
            throw TransportError(.unreachable, "nobody at \(address.endpoint) has answered within \(time)")
        }
    }

    /// Calls the hub; errors come out as they were thrown there.
    ///
    /// - Parameters:
    ///   - service: whom to call.
    ///   - method: what to do.
    ///   - arguments: its arguments, encoded.
    ///   - isChange: whether making it twice would do something else than making it once.
    ///   - mayRepeat: whether it is made again when it was sent and got no answer.
    /// - Returns: the answer.
    /// - Throws: ``TransportError`` when the hub has been away for too long: `unreachable` when the call was never sent,
    ///   `peerGone` when it may have been carried out; what the hub throws; `CancellationError`.
    // Away from the caller's actor, which may be busy when there is an answer: others wait for what is done after it.
    @concurrent func call(
        _ service: String,
        _ method: String,
        arguments: [UInt8],
        isChange: Bool,
        mayRepeat: Bool = true
    ) async throws -> ArraySlice<UInt8> {
        let ticket = isChange ? requests.withLock { $0.begin() } : nil
        defer { if let ticket { requests.withLock { $0.end(ticket.number) } } }
        let request = ticket.map { UpdateRequest(client: number, number: $0.number, answered: $0.answered) }
        var retry = HubRetry(patience: patience, byteCount: arguments.count)
        while true {
            do {
                let connection = try system.node.connection(to: address)
                met(try await connection.peer())
                retry.connected(now: .now)
                return try await connection.call(
                    service,
                    method,
                    arguments: arguments,
                    request: request,
                    isLimited: true
                )
            } catch let error as WireError {
                throw system.errorCoder.decode(error)
            } catch let error as TransportError where error.code == .unreachable || error.code == .peerGone {
                if error.code == .peerGone, !mayRepeat { throw lost(service, method, error) }
                let jitter = Double.random(in: 0.5...1)
                guard let pause = retry.failed(isSent: error.code == .peerGone, now: .now, jitter: jitter) else {
                    throw retry.isCutOff ? cutOff(service, method, arguments.count) : away(retry.wasSent, error)
                }
                try await Task.sleep(for: pause)
            } catch let error as TransportError where error.code == .refused && node != nil {
                guard let pause = retry.refused(jitter: .random(in: 0.5...1)) else { throw error }
                try await Task.sleep(for: pause)
            }
        }
    }

    /// Which run of the hub is talked to; a hub that has been started anew is another one.
    var node: NodeID? { contact.withLock { $0.node } }

    private func met(_ peer: PeerInfo) {
        contact.withLock { contact in
            if let node = contact.node, node != peer.node { contact.reconnects += 1 }
            contact.node = peer.node
        }
    }

    private func lost(_ service: String, _ method: String, _ error: TransportError) -> TransportError {
        TransportError(
            .peerGone,
            "the hub at \(address.endpoint) went away before it answered \(service).\(method), which may or may not have been "
                + "carried out: \(error.message)"
        )
    }

    private func cutOff(_ service: String, _ method: String, _ byteCount: Int) -> TransportError {
        TransportError(
            .peerGone,
            "the hub at \(address.endpoint) ends the connection each time it is sent \(service).\(method); its \(byteCount) "
                + "bytes may be more than the hub takes"
        )
    }

    private func away(_ wasSent: Bool, _ error: TransportError) -> TransportError {
        let what = "the hub at \(address.endpoint) has been away for \(patience)"
        return wasSent
            ? TransportError(.peerGone, "\(what); what was asked of it may or may not have been done")
            : TransportError(.unreachable, "\(what), and the call was not sent: \(error.message)")
    }
}

/// How to get at a hub; travels to the processes that a client of the hub spawns.
struct HubAccess: Codable, Sendable {
    var endpoint: Endpoint
    var credentials: Credentials?
    var patience: Duration
    /// Over what it is to be reached, where there is a choice.
    var transport: ContextOptions.Transport

    /// Whether a link to it is left for its socket on this machine, if it has one.
    var moves: Bool {
        guard credentials == nil, transport == .unixSockets else { return false }
        switch endpoint.scheme {
        case .tcp, .ipc: return true
        case .unix, .inproc: return false
        }
    }

    var connectOptions: ConnectOptions {
        var options = ConnectOptions()
        options.heartbeat = AccessPolicy.heartbeat
        if let credentials { options.keys = (credentials.own, credentials.hub) }
        return options
    }

    init(endpoint: Endpoint, credentials: Credentials?, patience: Duration, transport: ContextOptions.Transport) {
        self.endpoint = endpoint
        self.credentials = credentials
        self.patience = patience
        self.transport = transport
    }

    // Between a process and its own children only, over a socket that nobody else can open.

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        endpoint = try container.decode(Endpoint.self)
        patience = try container.decode(Duration.self)
        transport = try container.decode(ContextOptions.Transport.self)
        if try container.decode(Bool.self) {
            let hub = try container.decode(PublicKey.self), own = try container.decode(PublicKey.self)
            guard let pair = KeyPair(publicKey: own, secretText: try container.decode(String.self)) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "no pair of keys")
            }
            credentials = Credentials(own: pair, hub: hub)
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(endpoint)
        try container.encode(patience)
        try container.encode(transport)
        try container.encode(credentials != nil)
        if let credentials {
            try container.encode(credentials.hub)
            try container.encode(credentials.own.publicKey)
            try container.encode(credentials.own.secretText)
        }
    }
}

/// The hubs that this process talks to.
final class HubTable: Sendable {
    /// There is seldom more than one.
    private let clients = Mutex<[HubClient]>([])

    func join(_ access: HubAccess, _ system: ZProcSystem) {
        clients.withLock { clients in
            if Self.client(at: access.endpoint, among: clients) == nil { clients.append(HubClient(system, access)) }
        }
    }

    func client(at endpoint: Endpoint) -> HubClient? { clients.withLock { Self.client(at: endpoint, among: $0) } }

    private static func client(at endpoint: Endpoint, among clients: [HubClient]) -> HubClient? {
        clients.first { $0.access.endpoint == endpoint }
    }

    /// What children are to know.
    var accesses: [HubAccess] { clients.withLock { $0.map(\.access) } }
}
