// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import MessagePack

extension EncodedValue {
    /// Encodes what is to be stored under `key`.
    package init<T: Encodable>(encoding value: T, for key: String) throws(StateError) {
        do {
            try self.init(encoding: value)
        } catch {
            throw StateError(.notEncodable, "a \(T.self) cannot be stored as '\(key)': \(error)", key: key)
        }
    }

    /// The value stored under `key`, as a `type`.
    package func decode<T: Decodable>(_ type: T.Type, for key: String) throws(StateError) -> T {
        do {
            return try decode(type)
        } catch {
            throw StateError(
                .typeMismatch,
                "'\(key)' holds \(kindDescription), which is no \(T.self): \(error)",
                key: key
            )
        }
    }

    /// The value as MessagePack knows it; nil also for bytes that are no value, which nothing of ours writes.
    package var value: Value { (try? decode(Value.self)) ?? .nil }

    /// Whether both are the same to a reader, in whatever form they were written.
    package func means(_ other: EncodedValue) -> Bool { self == other || value == other.value }

    package var kindDescription: String {
        switch bytes.first ?? 0xc0 {
        case 0x00...0x7f, 0xcc...0xd3, 0xe0...0xff: "an integer"
        case 0x80...0x8f, 0xde, 0xdf: "a map"
        case 0x90...0x9f, 0xdc, 0xdd: "an array"
        case 0xa0...0xbf, 0xd9...0xdb: "a string"
        case 0xc2, 0xc3: "a boolean"
        case 0xc4...0xc6: "binary data"
        case 0xca, 0xcb: "a floating-point number"
        case 0xc7...0xc9, 0xd4...0xd8: "an extension or date"
        default: "nil"
        }
    }
}
