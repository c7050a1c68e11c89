// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Any MessagePack value.
///
/// Two integers of the same number are equal however they are held; a `Float` and a `Double` are not. Maps are equal
/// when they hold the same pairs, in whatever order. Not-a-number equals itself here, so that every value can be a key.
public enum Value: Sendable {
    case `nil`
    case bool(Bool)
    /// Any integer that fits 64 signed bits.
    case int(Int64)
    /// An integer above `Int64.max`; decoding makes this case for no other.
    case uint(UInt64)
    case float(Float)
    case double(Double)
    case string(String)
    case binary([UInt8])
    case array([Value])
    case map(Map)
    /// A moment, MessagePack's extension type -1.
    case timestamp(MessagePackTimestamp)
    /// An extension: types 0 to 127 are the application's, negative ones MessagePack's.
    case ext(type: Int8, [UInt8])

    /// The value of an unsigned integer, in the case that fits it.
    public init(_ integer: UInt64) {
        self = Int64(exactly: integer).map(Value.int) ?? .uint(integer)
    }
}

extension Value: Hashable {
    /// Whether two values are the same to a reader.
    public static func == (a: Value, b: Value) -> Bool {
        switch (a, b) {
        case (.nil, .nil): true
        case (.bool(let a), .bool(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.uint(let a), .uint(let b)): a == b
        case (.int(let a), .uint(let b)), (.uint(let b), .int(let a)): UInt64(exactly: a) == b
        case (.float(let a), .float(let b)): a == b || (a.isNaN && b.isNaN)
        case (.double(let a), .double(let b)): a == b || (a.isNaN && b.isNaN)
        case (.string(let a), .string(let b)): a == b
        case (.binary(let a), .binary(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.map(let a), .map(let b)): a == b
        case (.timestamp(let a), .timestamp(let b)): a == b
        case (.ext(let type, let a), .ext(let other, let b)): type == other && a == b
        default: false
        }
    }

    /// Feeds what equality compares.
    public func hash(into hasher: inout Hasher) {
        switch self {
        case .nil: hasher.combine(0)
        case .bool(let value): hasher.combine(value)
        case .int(let value): hasher.combine(UInt64(bitPattern: value))
        case .uint(let value): hasher.combine(value)
        case .float(let value): hasher.combine(value.isNaN ? .nan : value)
        case .double(let value): hasher.combine(value.isNaN ? .nan : value)
        case .string(let value): hasher.combine(value)
        case .binary(let value): hasher.combine(value)
        case .array(let value): hasher.combine(value)
        case .map(let value): hasher.combine(value)
        case .timestamp(let value): hasher.combine(value)
        case .ext(let type, let value):
            hasher.combine(type)
            hasher.combine(value)
        }
    }
}
