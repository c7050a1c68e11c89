// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

extension Value: ExpressibleByNilLiteral {
    /// The nil value.
    public init(nilLiteral: ()) { self = .nil }
}

extension Value: ExpressibleByBooleanLiteral {
    /// A boolean as it stands in the source.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension Value: ExpressibleByIntegerLiteral {
    /// An integer as it stands in the source, from `Int64.min` to `Int64.max`.
    public init(integerLiteral value: Int64) { self = .int(value) }
}

extension Value: ExpressibleByFloatLiteral {
    /// A 64-bit floating-point number as it stands in the source.
    public init(floatLiteral value: Double) { self = .double(value) }
}

extension Value: ExpressibleByStringLiteral {
    /// A string as it stands in the source.
    public init(stringLiteral value: String) { self = .string(value) }
}

extension Value: ExpressibleByArrayLiteral {
    /// An array as it stands in the source.
    public init(arrayLiteral elements: Value...) { self = .array(elements) }
}

extension Value: ExpressibleByDictionaryLiteral {
    /// A map as it stands in the source; of equal keys the last one's value counts.
    public init(dictionaryLiteral elements: (Value, Value)...) { self = .map(Map(elements)) }
}
