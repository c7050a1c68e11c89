// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What went wrong between two nodes.
///
/// One line: what happened, where, and what to do.
public struct TransportError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The kind of failure, for code that wants to tell failures apart.
    public struct Code: Hashable, Sendable, Codable, CustomStringConvertible {
        private enum Kind: String, Codable {
            case invalidEndpoint, addressInUse, permissionDenied, unreachable, peerGone, refused, closed, malformed
            case tooLarge, resources
        }

        private let kind: Kind

        /// The text is no address, or of a kind this transport does not speak.
        public static var invalidEndpoint: Code { Code(kind: .invalidEndpoint) }
        /// Somebody else listens there.
        public static var addressInUse: Code { Code(kind: .addressInUse) }
        /// The system does not let this process use the address.
        public static var permissionDenied: Code { Code(kind: .permissionDenied) }
        /// Nobody listens there.
        ///
        /// Nothing was sent.
        public static var unreachable: Code { Code(kind: .unreachable) }
        /// The peer went away.
        ///
        /// A call that waited for its answer may or may not have run.
        public static var peerGone: Code { Code(kind: .peerGone) }
        /// The peer does not want to talk to us: another protocol version, or no ZProc node.
        public static var refused: Code { Code(kind: .refused) }
        /// This side has been shut down.
        public static var closed: Code { Code(kind: .closed) }
        /// What arrived is not a message of the protocol.
        public static var malformed: Code { Code(kind: .malformed) }
        /// A message is larger than allowed.
        public static var tooLarge: Code { Code(kind: .tooLarge) }
        /// The system is out of descriptors, memory or threads.
        public static var resources: Code { Code(kind: .resources) }

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened, where, and what to do.
    public let message: String

    /// Makes an error; for implementations of ``Transport``.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Reads as `code: message`.
    public var description: String { "\(code): \(message)" }
}
