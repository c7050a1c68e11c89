// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc
internal import ZProcCore

/// System calls on Unix domain sockets that do not block; failures are the system's error numbers.
enum UnixSocket {
    struct Failure: Error {
        let number: Int32

        var text: String { String(cString: strerror(number)) }
        /// What a failure means to whoever wanted a socket.
        var code: TransportError.Code {
            switch number {
            case EMFILE, ENFILE, ENOMEM, ENOBUFS: .resources
            case EACCES, EPERM, EROFS: .permissionDenied
            default: .invalidEndpoint
            }
        }
    }

    static func make() throws(Failure) -> Int32 {
        try check(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0))
    }

    /// How much may lie between both sides each way, so that large messages wake few threads.
    private static let roomByteCount: Int32 = 1 << 20

    /// Makes room for what is sent and not yet read; less where the system does not allow so much.
    static func makeRoom(in descriptor: Int32) {
        var count = roomByteCount
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &count, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The most connections that can wait to be accepted; the system may allow fewer.
    private static let backlog: Int32 = 4_096

    static func listen(_ descriptor: Int32, at path: String) throws(Failure) {
        // What is left there is nobody's: the caller has the lock.
        unlink(path)
        try check(withAddress(path) { bind(descriptor, $0, $1) })
        try check(Glibc.listen(descriptor, backlog))
    }

    static func connect(_ descriptor: Int32, to path: String) throws(Failure) {
        try check(withAddress(path) { Glibc.connect(descriptor, $0, $1) })
    }

    static func accept(_ descriptor: Int32) throws(Failure) -> Int32 {
        try check(czproc_accept(descriptor))
    }

    /// The user on the other side, as the system knows it; nil when it does not.
    static func peerUser(_ descriptor: Int32) -> uid_t? {
        var user = uid_t()
        return czproc_peer_user(descriptor, &user) == 0 ? user : nil
    }

    @discardableResult private static func check(_ result: Int32) throws(Failure) -> Int32 {
        if result < 0 { throw Failure(number: errno) }
        return result
    }

    private static func withAddress(_ path: String, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { room in
            // An endpoint's path is short enough.
            for (index, byte) in path.utf8.prefix(room.count - 1).enumerated() { room[index] = byte }
        }
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
