// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import ZProcCore

/// Stands between clients and their hub, and does to what passes what bad networks do.
final class FaultyProxy: Sendable {
    enum Fault: String, CaseIterable, Sendable {
        /// What passes comes later.
        case delay
        /// What passes comes twice.
        case duplicate
        /// A part of what passes comes, and then nothing: the connection is cut.
        case truncate
        /// The connection is cut.
        case cut
        /// Nothing passes any more, and nobody is told.
        case drop
    }

    private struct State {
        var fault: Fault?
        var random: SeededRandom
        /// How often something was done to what passed.
        var faultCount = 0
        var sockets: Set<Int32> = []
        var isClosed = false
    }

    /// Where clients connect.
    let port: Int
    private let listener: Int32
    private let hubPort: Int
    /// Of how many pieces one is hit.
    private let rarity: Int
    private let state: Mutex<State>

    init(to hubPort: Int, rarity: Int, random: SeededRandom) throws {
        self.hubPort = hubPort
        self.rarity = rarity
        state = Mutex(State(random: random))
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var bound = Self.address(0), length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &bound) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, length) == 0 && listen(listener, 128) == 0
                    && getsockname(listener, pointer, &length) == 0
            }
        }
        self.listener = listener
        port = Int(UInt16(bigEndian: bound.sin_port))
        try #require(result, "no port for the proxy")
        try tryToStartThread { [self] in accept() }
    }

    /// What is done from now on.
    func set(_ fault: Fault?) { state.withLock { $0.fault = fault } }

    var faultCount: Int { state.withLock { $0.faultCount } }

    /// Ends all connections, and lets nobody in any more.
    func close() {
        let sockets = state.withLock { state in
            state.isClosed = true
            return state.sockets
        }
        for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    private func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            if client < 0 || state.withLock({ $0.isClosed }) {
                if client >= 0 { Glibc.close(client) }
                Glibc.close(listener)
                return
            }
            let hub = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            _ = fcntl(client, F_SETFD, FD_CLOEXEC)
            var address = Self.address(hubPort)
            let isThere = withUnsafePointer(to: &address) { address in
                address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(hub, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            guard isThere, (try? tryToStartThread { [self] in pass(client, hub) }) != nil else {
                Glibc.close(client)
                Glibc.close(hub)
                continue
            }
        }
    }

    /// Takes what one says to the other, until either has gone.
    private func pass(_ client: Int32, _ hub: Int32) {
        state.withLock { $0.sockets.formUnion([client, hub]) }
        defer {
            state.withLock { $0.sockets.subtract([client, hub]) }
            Glibc.close(client)
            Glibc.close(hub)
        }
        var bytes = [UInt8](repeating: 0, count: 1 << 16), isDropping = false
        while true {
            var ends = [
                pollfd(fd: client, events: Int16(POLLIN), revents: 0),
                pollfd(fd: hub, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ends, 2, -1) > 0 else { return }
            for (end, other) in [(0, hub), (1, client)] where ends[end].revents != 0 {
                let count = read(ends[end].fd, &bytes, bytes.count)
                if count <= 0 { return }
                if isDropping { continue }
                let piece = bytes[..<count]
                switch hit() {
                case nil: guard write(piece, to: other) else { return }
                case .delay:
                    // The network's time, not the test's.
                    poll(nil, 0, Int32(state.withLock { Int.random(in: 1...20, using: &$0.random) }))
                    guard write(piece, to: other) else { return }
                case .duplicate: guard write(piece, to: other), write(piece, to: other) else { return }
                case .truncate:
                    let kept = state.withLock { Int.random(in: 0..<count, using: &$0.random) }
                    _ = write(piece.prefix(kept), to: other)
                    return
                case .cut: return
                case .drop: isDropping = true
                }
            }
        }
    }

    private func hit() -> Fault? {
        state.withLock { state in
            guard let fault = state.fault, Int.random(in: 1...rarity, using: &state.random) == 1 else { return nil }
            state.faultCount += 1
            return fault
        }
    }

    private func write(_ bytes: ArraySlice<UInt8>, to socket: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count <= 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
