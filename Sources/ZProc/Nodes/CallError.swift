// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed

/// Why a call to another process could not be carried out there.
///
/// Unless its code says otherwise, the call has not run.
public struct CallError: DistributedActorSystemError, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The kind of failure, for code that wants to tell failures apart.
    public struct Code: Hashable, Sendable, Codable, CustomStringConvertible {
        private enum Kind: String, Codable {
            case actorNotFound, methodNotFound, badArguments, differentBuild, badResult, deadlineExceeded, forbidden
            case overLimit
        }
        private let kind: Kind

        /// The actor has gone, or never was.
        public static var actorNotFound: Code { Code(kind: .actorNotFound) }
        /// The callee has no such method.
        public static var methodNotFound: Code { Code(kind: .methodNotFound) }
        /// The arguments are not what the method takes.
        public static var badArguments: Code { Code(kind: .badArguments) }
        /// Both programs must be the same build for this, and they are not.
        public static var differentBuild: Code { Code(kind: .differentBuild) }
        /// The result cannot be encoded or decoded.
        ///
        /// The call has run.
        public static var badResult: Code { Code(kind: .badResult) }

        /// The time for it was up.
        ///
        /// The call may or may not have run.
        public static var deadlineExceeded: Code { Code(kind: .deadlineExceeded) }

        /// The hub does not let this key do that.
        public static var forbidden: Code { Code(kind: .forbidden) }
        /// The hub's limits for a client do not allow for more.
        public static var overLimit: Code { Code(kind: .overLimit) }

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened and what to do.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Reads as `code: message`.
    public var description: String { "\(code): \(message)" }
}
