// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Why an operation on the shared state failed.
///
/// Nothing has changed when one is thrown.
public struct StateError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The kind of failure, for code that wants to tell failures apart.
    public struct Code: Hashable, Sendable, Codable, CustomStringConvertible {
        private enum Kind: String, Codable { case typeMismatch, notEncodable, malformed, unavailable }
        private let kind: Kind

        /// The stored value has another type than the one asked for.
        public static var typeMismatch: Code { Code(kind: .typeMismatch) }
        /// The value cannot be written as MessagePack.
        public static var notEncodable: Code { Code(kind: .notEncodable) }
        /// A request or answer is not what the protocol says.
        public static var malformed: Code { Code(kind: .malformed) }
        /// A handle was decoded without a context to use it with.
        public static var unavailable: Code { Code(kind: .unavailable) }

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened, to which key, and what to do.
    public let message: String
    /// The key concerned, if one is.
    public let key: String?

    package init(_ code: Code, _ message: String, key: String? = nil) {
        self.code = code
        self.message = message
        self.key = key
    }

    /// Reads as `code: message`.
    public var description: String { "\(code): \(message)" }
}
