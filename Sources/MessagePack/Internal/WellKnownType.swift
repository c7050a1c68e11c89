// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// The types that are written and read here, without their `encode(to:)` and `init(from:)`.
enum WellKnownType: UInt8 {
    case none
    // Those up to `string` may be small; see `isSmall`.
    case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float, double
    case string, bytes, data, date, timestamp, value, encoded
    case bools, ints, int8s, int16s, int32s, int64s, uints, uint16s, uint32s, uint64s, floats, doubles, strings
    case encodedValues, blobs
    case stringsByName, intsByName, doublesByName, boolsByName, valuesByName

    /// Tells a type by its identity: never a cast, which searches the runtime's tables.
    ///
    /// Types are sorted by size first, so that most types of the user's cost one comparison.
    static func of<T>(_ type: T.Type) -> WellKnownType {
        switch MemoryLayout<T>.size {
        case 1: type == Bool.self ? .bool : type == UInt8.self ? .uint8 : type == Int8.self ? .int8 : .none
        case 2: type == Int16.self ? .int16 : type == UInt16.self ? .uint16 : .none
        case 4: type == Int32.self ? .int32 : type == UInt32.self ? .uint32 : type == Float.self ? .float : .none
        case 8: ofWord(type)
        case MemoryLayout<String>.size where type == String.self: .string
        case MemoryLayout<Data>.size where type == Data.self: .data
        case MemoryLayout<Value>.size where type == Value.self: .value
        case MemoryLayout<MessagePackTimestamp>.size where type == MessagePackTimestamp.self: .timestamp
        default: .none
        }
    }

    private static func ofWord<T>(_ type: T.Type) -> WellKnownType {
        if type == Int.self { return .int }
        if type == Double.self { return .double }
        if type == [UInt8].self { return .bytes }
        if type == [String].self { return .strings }
        if type == [Int].self { return .ints }
        if type == [Double].self { return .doubles }
        if type == Date.self { return .date }
        if type == EncodedValue.self { return .encoded }
        if type == [EncodedValue].self { return .encodedValues }
        if type == [[UInt8]].self { return .blobs }
        if type == Int64.self { return .int64 }
        if type == UInt64.self { return .uint64 }
        if type == UInt.self { return .uint }
        if type == [Float].self { return .floats }
        if type == [Bool].self { return .bools }
        if type == [Int8].self { return .int8s }
        if type == [Int16].self { return .int16s }
        if type == [Int32].self { return .int32s }
        if type == [Int64].self { return .int64s }
        if type == [UInt].self { return .uints }
        if type == [UInt16].self { return .uint16s }
        if type == [UInt32].self { return .uint32s }
        if type == [UInt64].self { return .uint64s }
        return byName.first { $0.type == type }?.kind ?? .none
    }

    private static let byName: [(type: Any.Type, kind: WellKnownType)] = [
        (dictionary(String.self, String.self), .stringsByName), (dictionary(String.self, Int.self), .intsByName),
        (dictionary(String.self, Double.self), .doublesByName), (dictionary(String.self, Bool.self), .boolsByName),
        (dictionary(String.self, Value.self), .valuesByName),
    ]

    /// The type of a dictionary, for which nobody has to look for the key's conformance: it comes with the call, as long as
    /// this is compiled for all types.
    ///
    /// In a new process that would take longer than to decode what it is to do.
    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    private static func dictionary<Key: Hashable, Element>(_: Key.Type, _: Element.Type) -> Any.Type {
        [Key: Element].self
    }
}

/// The same value under the name of its own type, which the caller has compared with `T`.
@inline(__always)
func identity<T, Same>(_ value: T, as type: Same.Type = Same.self) -> Same {
    unsafeBitCast(value, to: Same.self)
}
