// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// The Unix domain socket of a hub that listens at a ZeroMQ address, where programs of the same user on the same machine
/// reach it sooner; travels as two texts.
struct NearbySocket {
    /// Where the hub listens that has the socket.
    let address: Endpoint
    /// The socket, in a directory that only its user can enter.
    let socket: Endpoint

    init(of address: Endpoint, at socket: Endpoint) {
        self.address = address
        self.socket = socket
    }

    /// Reads what a hub has said.
    ///
    /// - Throws: ``TransportError`` for anything that is no such thing, also when the hub has none.
    init(decoding bytes: ArraySlice<UInt8>) throws(TransportError) {
        var reader = FieldReader(bytes: bytes)
        let texts = try reader.readStrings(atMost: 2)
        guard texts.count == 2 else { throw reader.malformed("\(texts.count) texts") }
        self.init(of: try Endpoint(texts[0]), at: try Endpoint(texts[1]))
    }

    var texts: [String] { [address.description, socket.description] }

    /// Whether it may be used instead of an endpoint.
    ///
    /// Not when something stands between that endpoint and the hub, which has its reasons; nor when the socket is not one
    /// of this machine and user: whoever answers at the endpoint might send this program to any other socket.
    func stands(for endpoint: Endpoint) -> Bool {
        guard endpoint.scheme == address.scheme, socket.scheme == .unix else { return false }
        let separator: Character = endpoint.scheme == .tcp ? ":" : "/"
        return endpoint.address.split(separator: separator).last == address.address.split(separator: separator).last
            && RuntimeDirectory.isOwn(socket)
    }
}

/// What a connection needs to move to a ``NearbySocket``.
struct NearbyMove: Sendable {
    let transport: any Transport
    let options: ConnectOptions

    /// How long the node has to answer there.
    fileprivate static let patience: Duration = .seconds(1)
}

/// A second link to a node that has been greeted; it takes the first one's place when the same node answers by it.
final class NearbyLink: LinkReceiver {
    private enum Phase {
        case opening
        case greeting(any TransportLink)
        case taken
        case refused
    }

    private let connection: Connection
    private let node: NodeID
    private let phase = Mutex(Phase.opening)
    /// The same as the phase, for each message.
    private let isTaken = Atomic(false)

    private init(for connection: Connection, to node: NodeID) {
        self.connection = connection
        self.node = node
    }

    /// Has the connection moved, or greet the node where it did before.
    static func open(
        _ move: NearbyMove,
        to socket: Endpoint,
        of node: NodeID,
        as info: PeerInfo,
        for connection: Connection
    ) {
        let receiver = NearbyLink(for: connection, to: node)
        do throws(TransportError) {
            let link = try move.transport.connect(to: socket, options: move.options, receiver: receiver)
            let isOpen = receiver.phase.withLock { phase in
                guard case .opening = phase else { return false }
                phase = .greeting(link)
                return true
            }
            guard isOpen else { return link.close() }
            AlarmClock.shared.set(after: NearbyMove.patience) { receiver.refuse() }
            try link.send(Envelope.hello(info).encoded())
        } catch {
            receiver.refuse()
        }
    }

    func linkReceived(_ message: [UInt8]) {
        if isTaken.load(ordering: .acquiring) { return connection.linkReceived(message) }
        guard case .welcome(let peer)? = try? Envelope(decoding: message), peer.node == node else { return refuse() }
        let link = phase.withLock { phase -> (any TransportLink)? in
            guard case .greeting(let link) = phase else { return nil }
            phase = .taken
            return link
        }
        guard let link else { return }
        isTaken.store(true, ordering: .releasing)
        connection.move(to: link, of: peer)
    }

    func linkClosed(_ error: TransportError) {
        if isTaken.load(ordering: .acquiring) { connection.linkClosed(error) } else { refuse() }
    }

    private func refuse() {
        let (wasOpen, link) = phase.withLock { phase -> (Bool, (any TransportLink)?) in
            switch phase {
            case .opening:
                phase = .refused
                return (true, nil)
            case .greeting(let link):
                phase = .refused
                return (true, link)
            case .taken, .refused: return (false, nil)
            }
        }
        guard wasOpen else { return }
        link?.close()
        connection.greetAgain()
    }
}
