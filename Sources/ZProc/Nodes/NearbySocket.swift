// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import WeakReferences
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
        socket.scheme == .unix && address.isReached(by: endpoint) && RuntimeDirectory.isNearby(socket)
    }
}

/// What a connection needs to move to a ``NearbySocket``.
struct NearbyMove: Sendable {
    let transport: any Transport
    let options: ConnectOptions

    /// How long the node has to answer there; when it stands still, the first link finds out as soon.
    fileprivate static let patience: Duration = .seconds(6)
}

extension Endpoint {
    /// Whether who connects to an endpoint is connected to whoever listens at this one, as far as names tell.
    fileprivate func isReached(by other: Endpoint) -> Bool {
        guard scheme == other.scheme else { return false }
        if address == other.address { return true }
        switch scheme {
        case .tcp:
            let (host, port) = hostAndPort, (otherHost, otherPort) = other.hostAndPort
            let all: Set<Substring> = ["*", "0.0.0.0", "[::]"]
            let own: Set<Substring> = ["localhost", "127.0.0.1", "[::1]"]
            return port == otherPort
                && (host == otherHost || all.contains(host) || own.isSuperset(of: [host, otherHost]))
        case .ipc, .unix:
            var status = stat(), otherStatus = stat()
            return stat(address, &status) == 0 && stat(other.address, &otherStatus) == 0
                && status.st_dev == otherStatus.st_dev && status.st_ino == otherStatus.st_ino
        case .inproc: return false
        }
    }

    private var hostAndPort: (Substring, Substring) {
        let colon = address.lastIndex(of: ":") ?? address.endIndex
        return (address[..<colon], address[colon...])
    }
}

/// The first link of a connection that may move, of which nothing is heard afterwards.
final class FirstLink: LinkReceiver {
    private let connection: Connection
    private let isLeft = Atomic(false)

    init(of connection: Connection) { self.connection = connection }

    func leave() { isLeft.store(true, ordering: .releasing) }

    func linkReceived(_ message: [UInt8]) {
        if !isLeft.load(ordering: .acquiring) { connection.linkReceived(message) }
    }
    func linkClosed(_ error: TransportError) {
        if !isLeft.load(ordering: .acquiring) { connection.linkClosed(error) }
    }
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
    /// Whether the phase is that, for each message to see without a lock.
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
            // As long as there is a link it has its receiver; the alarm keeps neither.
            AlarmClock.shared.set(after: NearbyMove.patience) { [receiver = WeakReference(receiver)] in
                receiver.object?.refuse()
            }
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
