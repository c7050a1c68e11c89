// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// A value in its MessagePack form, to be stored or passed on without being decoded.
///
/// Encoding one as part of a message puts its bytes there as they are; decoding one takes the bytes of whatever value is
/// there. Equal bytes are equal; the same value may have several forms, of which this library's encoder writes one.
public struct EncodedValue: Hashable, Sendable {
    /// One MessagePack value, complete and checked.
    public let bytes: [UInt8]

    /// Encodes a value.
    ///
    /// - Throws: ``MessagePackError``, or what a type's `encode(to:)` throws.
    public init<T: Encodable>(encoding value: T, with encoder: MessagePackEncoder = MessagePackEncoder()) throws {
        bytes = try encoder.encode(value)
    }

    /// Takes bytes that are known to be one value, because an encoder of ours wrote them.
    package init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    /// Takes bytes that are one value whose first byte tells its length, such as a number, but no string; nil for any others,
    /// which may be one value, too.
    package init?(simple bytes: ArraySlice<UInt8>) {
        let copied = bytes.withUnsafeBufferPointer { bytes -> [UInt8]? in
            // Short strings are told by their first byte as well, but may be none.
            guard let first = bytes.first, !(0xa0..<0xc0).contains(first) else { return nil }
            return cmsgpack_is_small_value(bytes.baseAddress, bytes.count) ? Array(bytes) : nil
        }
        guard let copied else { return nil }
        self.bytes = copied
    }

    /// Decodes the value, as a decoder with no user info and the usual limits does.
    ///
    /// - Throws: ``MessagePackError``, or what a type's `init(from:)` throws.
    public func decode<T: Decodable>(_ type: T.Type) throws -> T {
        // Most values that are stored are small, and a decoder costs several times what reading them does.
        let wellKnown = WellKnownType.of(type)
        if wellKnown.isSmall, isSmall { return try bytes.withUnsafeBytes { try wellKnown.readSmall(type, $0) } }
        return try MessagePackDecoder().decode(type, from: bytes)
    }

    /// Decodes the value with a decoder of your choice.
    ///
    /// - Throws: ``MessagePackError``, or what a type's `init(from:)` throws.
    public func decode<T: Decodable>(_ type: T.Type, with decoder: MessagePackDecoder) throws -> T {
        try decoder.decode(type, from: bytes)
    }
}

extension EncodedValue {
    /// Whether the first byte tells the size, which is all that there is to check of the bytes.
    private var isSmall: Bool {
        bytes.withUnsafeBufferPointer { cmsgpack_is_small_value($0.baseAddress, $0.count) }
    }
}

/// Other coders than this library's see the value itself.
extension EncodedValue: Codable {
    /// Takes the value that is there.
    public init(from decoder: any Decoder) throws {
        bytes = try Value(from: decoder).encoded()
    }

    /// Puts the value there.
    public func encode(to encoder: any Encoder) throws {
        try Value(decoding: bytes).encode(to: encoder)
    }
}
