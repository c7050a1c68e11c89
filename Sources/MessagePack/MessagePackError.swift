// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Why a value could not be written as MessagePack, or bytes could not be read as one.
///
/// The coding path names the keys and indices from the top of the message to the value; the byte offset counts from the
/// first byte handed in. Errors that a type throws from its own `encode(to:)` or `init(from:)` are not wrapped in this.
public struct MessagePackError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure, for code that wants to tell failures apart.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case truncated, trailingBytes, reservedByte, tooDeep, tooLong, tooManyValues, tooManyBytes
            case typeMismatch, numberOutOfRange, keyNotFound, valueNotFound, endOfArray, unsupportedKey, invalidText
            case invalidTimestamp, unsupportedValue, misuse
        }
        private let kind: Kind

        /// The bytes end before the value does, or a length claims more than the bytes that are left.
        public static var truncated: Code { Code(kind: .truncated) }
        /// More bytes follow the value.
        public static var trailingBytes: Code { Code(kind: .trailingBytes) }
        /// A value starts with 0xc1, the one byte that MessagePack never uses.
        public static var reservedByte: Code { Code(kind: .reservedByte) }
        /// Arrays and maps are nested more deeply than the limit allows.
        public static var tooDeep: Code { Code(kind: .tooDeep) }
        /// A string, blob, extension, array or map is longer than the limit allows.
        public static var tooLong: Code { Code(kind: .tooLong) }
        /// The message has more values than the limit allows.
        public static var tooManyValues: Code { Code(kind: .tooManyValues) }
        /// The message has more bytes than the limit allows.
        public static var tooManyBytes: Code { Code(kind: .tooManyBytes) }
        /// The value is of another kind than the type asked for.
        public static var typeMismatch: Code { Code(kind: .typeMismatch) }
        /// The number does not fit the type asked for.
        public static var numberOutOfRange: Code { Code(kind: .numberOutOfRange) }
        /// The map has no such key.
        public static var keyNotFound: Code { Code(kind: .keyNotFound) }
        /// The value is nil where the type asked for needs one.
        public static var valueNotFound: Code { Code(kind: .valueNotFound) }
        /// The array has no more elements.
        public static var endOfArray: Code { Code(kind: .endOfArray) }
        /// A map read through `Codable` has a key that is neither a string nor an integer.
        public static var unsupportedKey: Code { Code(kind: .unsupportedKey) }
        /// A string is not valid UTF-8.
        public static var invalidText: Code { Code(kind: .invalidText) }
        /// A timestamp extension has the wrong length, or a billion nanoseconds or more.
        public static var invalidTimestamp: Code { Code(kind: .invalidTimestamp) }
        /// MessagePack has no form for the value.
        public static var unsupportedValue: Code { Code(kind: .unsupportedValue) }
        /// A type's `encode(to:)` broke the rules of `Encoder`.
        public static var misuse: Code { Code(kind: .misuse) }

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened and what to do.
    public let message: String
    /// The keys and indices that lead to the value; an index reads `[3]`.
    public let codingPath: [String]
    /// Where the value starts in the bytes read; nil when writing.
    public let byteOffset: Int?

    init(_ code: Code, _ message: String, codingPath: [String] = [], byteOffset: Int? = nil) {
        self.code = code
        self.message = message
        self.codingPath = codingPath
        self.byteOffset = byteOffset
    }

    /// The error with a step in front of its path.
    package func under(_ step: String) -> MessagePackError {
        MessagePackError(code, message, codingPath: [step] + codingPath, byteOffset: byteOffset)
    }

    /// The failure on one line, such as `typeMismatch: "expected Int, found a string" (at people[3].age, byte 17)`.
    public var description: String {
        var place = ""
        for step in codingPath {
            if !place.isEmpty, !step.hasPrefix("[") { place += "." }
            place += step
        }
        let location = [place.isEmpty ? nil : "at \(place)", byteOffset.map { "byte \($0)" }].compactMap(\.self)
        guard !location.isEmpty else { return "\(code): \"\(message)\"" }
        return "\(code): \"\(message)\" (\(location.joined(separator: ", ")))"
    }
}
