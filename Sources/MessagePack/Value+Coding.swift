// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

extension Value {
    /// Encodes any value and keeps the outcome as a ``Value``.
    ///
    /// - Throws: ``MessagePackError`` with the coding path, or what a type's `encode(to:)` throws, unchanged.
    public init<T: Encodable>(encoding value: T) throws {
        try self.init(decoding: try MessagePackEncoder().encode(value))
    }

    /// Decodes a type out of this value, as if the value had been received.
    ///
    /// Offsets in errors count in the bytes this value encodes to.
    ///
    /// - Throws: ``MessagePackError`` with the coding path, or what a type's `init(from:)` throws, unchanged.
    public func decode<T: Decodable>(
        as type: T.Type = T.self,
        userInfo: [CodingUserInfoKey: any Sendable] = [:]
    ) throws -> T {
        var decoder = MessagePackDecoder()
        decoder.userInfo = userInfo
        return try decoder.decode(type, from: encoded())
    }
}

extension Value: Codable {
    private enum ExtensionKeys: CodingKey { case type, payload }

    /// Reads a value from another format as far as that format tells kinds apart; a MessagePack decoder reads exactly.
    public init(from decoder: any Decoder) throws {
        if let map = try? decoder.container(keyedBy: PathKey.self) {
            self = .map(
                Map(unique: try map.allKeys.map { (.string($0.stringValue), try map.decode(Value.self, forKey: $0)) })
            )
            return
        }
        if var array = try? decoder.unkeyedContainer() {
            var elements: [Value] = []
            while !array.isAtEnd { elements.append(try array.decode(Value.self)) }
            self = .array(elements)
            return
        }
        let single = try decoder.singleValueContainer()
        if single.decodeNil() {
            self = .nil
        } else if let value = try? single.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? single.decode(Int64.self) {
            self = .int(value)
        } else if let value = try? single.decode(UInt64.self) {
            self = Value(value)
        } else if let value = try? single.decode(Double.self) {
            self = .double(value)
        } else {
            self = .string(try single.decode(String.self))
        }
    }

    /// Writes the value into another format; a MessagePack encoder writes it exactly.
    ///
    /// There, binary values become arrays of numbers, timestamps and extensions small maps, and a map with keys that
    /// are not all strings an array of keys and values in turn.
    public func encode(to encoder: any Encoder) throws {
        var single: any SingleValueEncodingContainer { encoder.singleValueContainer() }
        switch self {
        case .nil:
            var container = single
            try container.encodeNil()
        case .bool(let value): try value.encode(to: encoder)
        case .int(let value): try value.encode(to: encoder)
        case .uint(let value): try value.encode(to: encoder)
        case .float(let value): try value.encode(to: encoder)
        case .double(let value): try value.encode(to: encoder)
        case .string(let value): try value.encode(to: encoder)
        case .binary(let value): try value.encode(to: encoder)
        case .array(let value): try value.encode(to: encoder)
        case .timestamp(let value): try value.encode(to: encoder)
        case .ext(let type, let payload):
            var container = encoder.container(keyedBy: ExtensionKeys.self)
            try container.encode(type, forKey: .type)
            try container.encode(payload, forKey: .payload)
        case .map(let map) where map.allSatisfy { $0.key.stringValue != nil }:
            var container = encoder.container(keyedBy: PathKey.self)
            for (key, value) in map {
                try container.encode(value, forKey: PathKey(stringValue: key.stringValue ?? ""))
            }
        case .map(let map):
            var container = encoder.unkeyedContainer()
            for (key, value) in map {
                try container.encode(key)
                try container.encode(value)
            }
        }
    }
}
