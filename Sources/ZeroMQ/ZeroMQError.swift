// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Glibc

/// A failure of a ZeroMQ call: what happened, where, and what to do about it.
public struct ZeroMQError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The kind of failure, for programs to decide on.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: Hashable, Sendable {
            case addressInUse, addressNotAvailable, cancelled, closed, invalidArgument, noSuchEndpoint, notSupported
            case permissionDenied, pathTooLong, tooManySockets, unreachable, wouldBlock, wrongState
            case other(Int32)
        }

        private let kind: Kind

        private init(_ kind: Kind) {
            self.kind = kind
        }

        /// Another socket is bound to the address.
        public static let addressInUse = Code(.addressInUse)
        /// The address belongs to no interface of this machine.
        public static let addressNotAvailable = Code(.addressNotAvailable)
        /// The waiting task was cancelled; nothing was received or sent.
        public static let cancelled = Code(.cancelled)
        /// The socket or its context has been closed.
        public static let closed = Code(.closed)
        /// An endpoint, option value or message that libzmq does not accept.
        public static let invalidArgument = Code(.invalidArgument)
        /// The endpoint is not bound or connected, so it cannot be undone.
        public static let noSuchEndpoint = Code(.noSuchEndpoint)
        /// The socket's kind or this build of libzmq cannot do that.
        public static let notSupported = Code(.notSupported)
        /// The operating system refuses access to the endpoint.
        public static let permissionDenied = Code(.permissionDenied)
        /// The path of an `ipc://` endpoint is longer than a socket address can hold.
        public static let pathTooLong = Code(.pathTooLong)
        /// The context has as many sockets, or the process as many descriptors, as it may have.
        public static let tooManySockets = Code(.tooManySockets)
        /// No connected peer has the routing id that the message names.
        public static let unreachable = Code(.unreachable)
        /// The operation can only be done by waiting.
        public static let wouldBlock = Code(.wouldBlock)
        /// The pattern does not allow the operation now, as with a second request before the reply.
        public static let wrongState = Code(.wrongState)
        /// Any other error number of libzmq or the operating system.
        public static func other(_ number: Int32) -> Code { Code(.other(number)) }

        init(errorNumber: ErrorNumber) {
            switch errorNumber {
            case EADDRINUSE: self = .addressInUse
            case EADDRNOTAVAIL, ENODEV: self = .addressNotAvailable
            case ECANCELED: self = .cancelled
            case ETERM, ENOTSOCK: self = .closed
            case EINVAL: self = .invalidArgument
            case ENOENT: self = .noSuchEndpoint
            case ENOTSUP, EPROTONOSUPPORT, ENOCOMPATPROTO: self = .notSupported
            case EACCES, EPERM: self = .permissionDenied
            case ENAMETOOLONG: self = .pathTooLong
            case EMFILE, ENFILE: self = .tooManySockets
            case EHOSTUNREACH: self = .unreachable
            case EAGAIN: self = .wouldBlock
            case EFSM: self = .wrongState
            default: self = .other(errorNumber)
            }
        }

        /// The code's name as it is written in source.
        public var description: String {
            "\(kind)"
        }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened, where, and what to do, on one line.
    public let message: String

    /// Makes an error with a code and a line of text.
    public init(code: Code, message: String) {
        self.code = code
        self.message = message
    }

    init(_ errorNumber: ErrorNumber, while operation: @autoclosure () -> String) {
        code = Code(errorNumber: errorNumber)
        message = "could not \(operation()): \(Self.explanation(of: errorNumber))"
    }

    /// Code and message on one line.
    public var description: String {
        "\(code): \"\(message)\""
    }

    private static func explanation(of errorNumber: ErrorNumber) -> String {
        switch errorNumber {
        case EADDRINUSE: "the address is taken; close its owner or choose another (tcp port * picks a free one)"
        case EADDRNOTAVAIL, ENODEV: "no interface of this machine has that address; check host and port"
        case ECANCELED: "the waiting task was cancelled"
        case ETERM: "its context has been shut down"
        case ENOTSOCK: "the socket has been closed"
        case EINVAL: "libzmq does not accept the value; check its form and range"
        case ENOENT: "there is nothing at that endpoint, or its folder is missing"
        case ENOTSUP, ENOCOMPATPROTO: "this kind of socket cannot do that"
        case EPROTONOSUPPORT: "this build of libzmq does not know the transport"
        case EACCES, EPERM: "access was refused; check the permissions of the path or port"
        case ENAMETOOLONG: "the path of an ipc endpoint may have 107 bytes; choose a shorter folder"
        case EMFILE, ENFILE: "no socket is left; close some, or raise maxSockets or the limit of open files"
        case EHOSTUNREACH: "no connected peer has that routing id; it may have gone"
        case EAGAIN: "it would have to wait"
        case EFSM: "the pattern expects the other direction first"
        default: zmq_strerror(errorNumber).map { String(cString: $0) } ?? "error number \(errorNumber)"
        }
    }
}
