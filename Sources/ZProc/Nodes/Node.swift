// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import PortableClosures
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// This process's place among the others: calls out over connections, calls in through a listener.
///
/// A node listens from the first time somebody needs its address: when it starts a process, or sends a handle of
/// something that lives here.
final class Node: Sendable {
    let info: PeerInfo
    private let transports: Transports
    private let listenEndpoint: @Sendable () throws(TransportError) -> Endpoint
    private let inbound: InboundCalls
    private let services: ServiceTable
    private let callsInFlight: Int
    private let metrics: MetricsSlot

    private struct State {
        var connections: [NodeAddress: Connection] = Dictionary(room: 2)
        /// The one that was asked for last, which is likely to be asked for next.
        var recent: (address: NodeAddress, connection: Connection)?
        var address: NodeAddress?
        /// Where others are welcome besides, each by rules of its own.
        var published: [(address: NodeAddress, inbound: InboundCalls)] = []
        /// How links to certain endpoints are opened.
        var connectOptions: [Endpoint: ConnectOptions] = [:]
        /// Those of them that are left for a socket on this machine, if there is one.
        var moving: Set<Endpoint> = []
        var isShutDown = false
    }
    private let state = Mutex(State())

    /// - Parameters:
    ///   - transports: how messages travel.
    ///   - endpoint: where to listen when somebody needs this node's address.
    ///   - services: who answers calls from others.
    ///   - processID: the number of this process, which peers are told.
    ///   - id: which node it is; a new one by default.
    ///   - callsInFlight: how many limited calls to one peer may wait for their answers.
    ///   - metrics: what is told of calls from others.
    init(
        transports: Transports,
        listeningAt endpoint: @escaping @Sendable () throws(TransportError) -> Endpoint,
        services: ServiceTable,
        processID: Int,
        id: NodeID = .random(),
        callsInFlight: Int,
        metrics: MetricsSlot
    ) {
        self.callsInFlight = callsInFlight
        self.metrics = metrics
        self.transports = transports
        listenEndpoint = endpoint
        info = PeerInfo(build: ProgramImage.programIdentity, node: id, processID: processID)
        self.services = services
        inbound = InboundCalls(info: info, services: services, transport: transports.home, metrics: metrics)
    }

    var id: NodeID { info.node }
    /// Where tasks run that talk to other nodes a lot.
    var taskExecutor: (any TaskExecutor)? { transports.home.taskExecutor }

    /// Where others reach this node.
    ///
    /// Starts to listen the first time.
    func address() throws(TransportError) -> NodeAddress {
        try state.withLock { state throws(TransportError) in
            if let address = state.address { return address }
            try check(state)
            let endpoint = try inbound.listen(at: listenEndpoint())
            let address = NodeAddress(endpoint: endpoint, node: info.node)
            state.address = address
            return address
        }
    }

    /// Listens at one more endpoint, where a policy says who may do what.
    ///
    /// - Parameters:
    ///   - endpoint: where to listen.
    ///   - policy: who may do what there.
    ///   - socket: where to listen besides, for the same clients, as far as they are on this machine.
    /// - Returns: where it listens, with the port chosen for `*`.
    /// - Throws: why it cannot listen there.
    func publish(
        at endpoint: Endpoint,
        _ policy: AccessPolicy,
        nearby socket: Endpoint? = nil
    ) throws(TransportError) -> NodeAddress {
        try state.withLock { state throws(TransportError) in
            try check(state)
            let seats = Seats()
            let inbound = makeInbound(endpoint.scheme, policy, seats)
            var nearby: (place: Endpoint, inbound: InboundCalls)?
            do throws(TransportError) {
                let place = try inbound.listen(at: endpoint) { address in
                    // Without it, clients stay where they are.
                    guard let socket, case let calls = makeInbound(socket.scheme, policy, seats),
                        let place = try? calls.listen(at: socket)
                    else { return nil }
                    nearby = (place, calls)
                    return NearbySocket(of: address, at: place)
                }
                let address = NodeAddress(endpoint: place, node: info.node)
                state.published.append((address, inbound))
                if let nearby {
                    state.published.append((NodeAddress(endpoint: nearby.place, node: info.node), nearby.inbound))
                }
                return address
            } catch {
                nearby?.inbound.close()
                throw error
            }
        }
    }

    private func makeInbound(_ scheme: Endpoint.Scheme, _ policy: AccessPolicy, _ seats: Seats) -> InboundCalls {
        InboundCalls(
            info: info,
            services: services,
            transport: transports[scheme],
            policy: policy,
            seats: seats,
            metrics: metrics
        )
    }

    /// The first of the endpoints it was published at.
    var publishedAddress: NodeAddress? { state.withLock { $0.published.first?.address } }

    /// How many callers there are at the published endpoints, and how many calls of theirs have not been answered.
    var publishedCounts: (peers: Int, calls: Int) { Self.sum(state.withLock { $0.published.map(\.inbound) }) }
    /// The same for all endpoints.
    var counts: (peers: Int, calls: Int) { Self.sum(state.withLock { $0.published.map(\.inbound) } + [inbound]) }

    private static func sum(_ all: [InboundCalls]) -> (peers: Int, calls: Int) {
        all.map(\.counts).reduce((0, 0)) { ($0.0 + $1.peers, $0.1 + $1.calls) }
    }

    /// Has links to an endpoint opened with options of their own from now on.
    ///
    /// - Parameters:
    ///   - options: how they are opened.
    ///   - endpoint: where they lead to.
    ///   - moves: whether they are left for a socket that the node has on this machine.
    func setOptions(_ options: ConnectOptions, for endpoint: Endpoint, moving moves: Bool) {
        state.withLock { state in
            state.connectOptions[endpoint] = options
            if moves { state.moving.insert(endpoint) }
        }
    }

    /// Whether its end has begun.
    var isShutDown: Bool { state.withLock(\.isShutDown) }
    /// Whether others can reach this node.
    var isListening: Bool { state.withLock { $0.address != nil } }

    /// The connection to `address`, opened the first time.
    func connection(to address: NodeAddress) throws(TransportError) -> Connection {
        let (connection, way) = try state.withLock { state throws(TransportError) -> (_, (ConnectOptions, Bool)?) in
            // Looked at where it is: a copy would count its references.
            if state.recent?.address == address, let recent = state.recent?.connection { return (recent, nil) }
            if let connection = state.connections[address] {
                state.recent = (address, connection)
                return (connection, nil)
            }
            try check(state)
            let expected = address.node == .any ? nil : address.node
            let connection = Connection(to: address.endpoint, expected: expected, limit: callsInFlight) {
                [node = WeakReference(self)] closed in
                node.object?.forget(closed, at: address)
            }
            state.connections[address] = connection
            let options = state.connectOptions[address.endpoint] ?? ConnectOptions()
            return (connection, (options, state.moving.contains(address.endpoint)))
        }
        if let (options, moves) = way {
            do throws(TransportError) {
                try connection.open(
                    over: transports[address.endpoint.scheme],
                    options: options,
                    as: info,
                    movingBy: moves ? NearbyMove(transport: transports[.unix], options: options) : nil
                )
            } catch {
                connection.close(error)
                throw error
            }
        }
        return connection
    }

    /// Greets whoever is at an address.
    ///
    /// - Throws: ``TransportError`` when nobody answers in time.
    func peer(at endpoint: Endpoint, within time: Duration) async throws -> PeerInfo {
        let options = try state.withLock { state throws(TransportError) in
            try check(state)
            return state.connectOptions[endpoint] ?? ConnectOptions()
        }
        let connection = Connection(to: endpoint, expected: nil, limit: callsInFlight) { _ in }
        defer { connection.close(TransportError(.closed, "the greeting with \(endpoint) is over")) }
        try connection.open(over: transports[endpoint.scheme], options: options, as: info)
        do {
            return try await withCallDeadline(time) { try await connection.peer() }
        } catch let error as CallError where error.code == .deadlineExceeded {
            throw TransportError(.unreachable, "nobody at \(endpoint) has answered within \(time)")
        }
    }

    /// Lets go of all callers, who hear nothing more than that the links to this node have ended.
    func stopAnswering() {
        let published = state.withLock { $0.published }
        inbound.close()
        for (_, inbound) in published { inbound.close() }
    }

    /// Ends all connections; calls that wait fail.
    func shutdown() async {
        let (connections, published) = state.withLock { state in
            defer { state = State(isShutDown: true) }
            return (state.connections.values, state.published)
        }
        inbound.close()
        for (_, inbound) in published { inbound.close() }
        for connection in connections { connection.close(Self.shutDown) }
        await transports.shutdown()
    }

    private static let shutDown = TransportError(.closed, "the context has been shut down; make another one")

    private func check(_ state: borrowing State) throws(TransportError) {
        if state.isShutDown { throw Self.shutDown }
    }

    private func forget(_ connection: Connection, at address: NodeAddress) {
        state.withLock { state in
            if state.connections[address] === connection { state.connections[address] = nil }
            if state.recent?.connection === connection { state.recent = nil }
        }
    }
}

extension NodeID {
    /// Whichever node listens there: one that comes back after its end is as good.
    static let any = NodeID(number: 0)
}
