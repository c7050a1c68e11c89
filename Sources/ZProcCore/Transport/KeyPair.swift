// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The public half of a ``KeyPair``: 32 bytes, written as 40 characters of Z85 (ZeroMQ RFC 32).
public struct PublicKey: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The 32 bytes of the key.
    public let bytes: [UInt8]

    /// Takes 32 bytes; nil for any other number.
    public init?(bytes: [UInt8]) {
        guard bytes.count == KeyPair.keyByteCount else { return nil }
        self.bytes = bytes
    }

    /// Reads 40 characters of Z85; nil for anything else.
    public init?(_ text: String) {
        guard let bytes = Z85.decode(text) else { return nil }
        self.init(bytes: bytes)
    }

    /// The key as 40 characters of Z85.
    public var description: String { Z85.encode(bytes) }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let key = PublicKey(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no public key of 40 characters")
        }
        self = key
    }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Who a node is to others: a public key that they know it by, and the secret one that proves it.
///
/// Keys are those of CURVE, ZeroMQ's encryption (Curve25519). The secret half shows in no description, mirror or dump;
/// ask for ``secretText`` to write it down.
public struct KeyPair: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package static let keyByteCount = 32

    /// The key to give away.
    public let publicKey: PublicKey
    package let secretBytes: [UInt8]

    package init?(publicKey: PublicKey, secretBytes: [UInt8]) {
        guard secretBytes.count == Self.keyByteCount else { return nil }
        self.publicKey = publicKey
        self.secretBytes = secretBytes
    }

    /// Puts a pair together that was written down; nil when the secret is no 40 characters of Z85.
    ///
    /// That the two belong together is not checked here: a pair that does not is refused when it is used.
    public init?(publicKey: PublicKey, secretText: String) {
        guard let bytes = Z85.decode(secretText) else { return nil }
        self.init(publicKey: publicKey, secretBytes: bytes)
    }

    /// The secret key as 40 characters of Z85: for a file that nobody else can read, and nothing else.
    public var secretText: String { Z85.encode(secretBytes) }

    /// Names the public key only.
    public var description: String { "KeyPair(\(publicKey))" }
    /// Names the public key only.
    public var debugDescription: String { description }
    /// Has the public key only.
    public var customMirror: Mirror { Mirror(self, children: ["publicKey": publicKey]) }
}

/// ZeroMQ's text form of bytes: five characters for four of them.
enum Z85 {
    private static let alphabet = Array(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#".utf8
    )

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count - bytes.count % 4, by: 4) {
            var number = bytes[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            var group = [UInt8](repeating: 0, count: 5)
            for place in (0..<5).reversed() {
                group[place] = alphabet[Int(number % 85)]
                number /= 85
            }
            text += group
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for what is no such text.
    static func decode(_ text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count % 5 == 0 else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: characters.count, by: 5) {
            var number: UInt64 = 0
            for character in characters[start..<start + 5] {
                guard let value = alphabet.firstIndex(of: character) else { return nil }
                number = number * 85 + UInt64(value)
            }
            guard let number = UInt32(exactly: number) else { return nil }
            withUnsafeBytes(of: number.bigEndian) { bytes += $0 }
        }
        return bytes
    }
}
