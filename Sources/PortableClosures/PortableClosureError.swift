// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Why a closure, or a type it uses, cannot travel to another process or could not be rebuilt there.
///
/// One line: what happened, where in the source, and what to do.
public struct PortableClosureError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure, for code that wants to tell failures apart.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String { case captureNotCodable, genericCapture, typeNotFound, codeNotFound, malformed }
        private let kind: Kind

        /// A captured value has a type that is not `Codable`.
        public static var captureNotCodable: Code { Code(kind: .captureNotCodable) }
        /// The closure was made in generic code that the compiler did not specialise.
        public static var genericCapture: Code { Code(kind: .genericCapture) }
        /// A type cannot be named, or its name stands for nothing in this program.
        public static var typeNotFound: Code { Code(kind: .typeNotFound) }
        /// Code lies outside this program's images, or comes from another build of it.
        public static var codeNotFound: Code { Code(kind: .codeNotFound) }
        /// The received bytes are not a closure.
        public static var malformed: Code { Code(kind: .malformed) }

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened and what to do.
    public let message: String
    /// Where the closure was written, when known.
    public let location: SourceLocation?

    package init(_ code: Code, _ message: String, at location: SourceLocation? = nil) {
        self.code = code
        self.message = message
        self.location = location
    }

    package func at(_ location: SourceLocation?) -> PortableClosureError {
        PortableClosureError(code, message, at: self.location ?? location)
    }

    /// The failure on one line, with the place in the source first.
    public var description: String {
        guard let location else { return message }
        return "\(location): \(message)"
    }
}
