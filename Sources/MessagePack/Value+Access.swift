// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

extension Value: CustomStringConvertible {
    /// Whether this is nil.
    public var isNil: Bool { self == .nil }

    /// The boolean, if it is one.
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The integer, if it is one that fits `Int`.
    public var intValue: Int? {
        switch self {
        case .int(let value): Int(exactly: value)
        case .uint(let value): Int(exactly: value)
        default: nil
        }
    }

    /// The integer, if it is one that is not negative.
    public var uintValue: UInt64? {
        switch self {
        case .int(let value): UInt64(exactly: value)
        case .uint(let value): value
        default: nil
        }
    }

    /// The number, if it is one that `Double` holds exactly.
    public var doubleValue: Double? {
        switch self {
        case .double(let value): value
        case .float(let value): Double(value)
        case .int(let value): Double(exactly: value)
        case .uint(let value): Double(exactly: value)
        default: nil
        }
    }

    /// The string, if it is one.
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }

    /// The bytes of a binary value, if it is one.
    public var binaryValue: [UInt8]? { if case .binary(let value) = self { value } else { nil } }

    /// The elements, if this is an array.
    public var arrayValue: [Value]? { if case .array(let value) = self { value } else { nil } }

    /// The pairs, if this is a map.
    public var mapValue: Map? { if case .map(let value) = self { value } else { nil } }

    /// The moment, if it is one.
    public var timestampValue: MessagePackTimestamp? { if case .timestamp(let value) = self { value } else { nil } }

    /// The value of a key, if this is a map that has it.
    public subscript(key: Value) -> Value? { mapValue?[key] }

    /// The value of a string key, if this is a map that has it.
    public subscript(key: String) -> Value? { mapValue?[.string(key)] }

    /// The element at an index, if this is an array that has it; for a map, the value of that integer key.
    public subscript(index: Int) -> Value? {
        switch self {
        // A bare `nil` would mean the value nil here.
        case .array(let elements): elements.indices.contains(index) ? elements[index] : Value?.none
        case .map(let map): map[.int(Int64(index))]
        default: Value?.none
        }
    }

    /// The value much as source code would have it; blobs and extensions as their length.
    public var description: String {
        switch self {
        case .nil: "nil"
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .uint(let value): "\(value)"
        case .float(let value): "\(value)"
        case .double(let value): "\(value)"
        case .string(let value): "\"\(value)\""
        case .binary(let value): "binary(\(value.count) bytes)"
        case .array(let value): "[\(value.map(\.description).joined(separator: ", "))]"
        case .map(let value) where value.isEmpty: "[:]"
        case .map(let value): "[\(value.map { "\($0.key): \($0.value)" }.joined(separator: ", "))]"
        case .timestamp(let value): "timestamp(\(value))"
        case .ext(let type, let value): "ext(\(type), \(value.count) bytes)"
        }
    }
}
