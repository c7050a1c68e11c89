// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import ZProcCore

/// What is asked of a namespace in another process; the method's name on the wire.
///
/// Arguments are an array: the namespace, then what the method takes; answers are one value.
enum StateMethod: String {
    /// `[namespace, key]` → `[value]`, or `[]` when there is none
    case get
    /// `[namespace, key, value]` → nil
    case set
    /// `[namespace, key]` → `[value]` that was there, or `[]`
    case remove
    /// `[namespace, key]` → boolean
    case contains
    /// `[namespace]` → integer
    case count
    /// `[namespace]` → array of strings
    case keys
    /// `[namespace, {key: value, …}]` → nil
    case merge
    /// `[namespace]` → `[revision, {key: value, …}]`
    case snapshot
    /// `[namespace]` → nil
    case clear
    /// `[namespace, closure]` → the closure's result; between equal builds only
    case update
}

/// The arguments of a state method.
///
/// Parts that a method does not have are absent from the array.
struct StateRequest<Argument: Codable>: Codable {
    var namespace: String
    var argument: Argument

    init(_ namespace: String, _ argument: Argument) {
        self.namespace = namespace
        self.argument = argument
    }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        namespace = try container.decode(String.self)
        argument = try container.decode(Argument.self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(namespace)
        try container.encode(argument)
    }
}

/// The arguments of `set`.
struct StateEntry: Codable {
    var namespace: String
    var key: String
    var value: EncodedValue

    init(_ namespace: String, _ key: String, _ value: EncodedValue) {
        self.namespace = namespace
        self.key = key
        self.value = value
    }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        namespace = try container.decode(String.self)
        key = try container.decode(String.self)
        value = try container.decode(EncodedValue.self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(namespace)
        try container.encode(key)
        try container.encode(value)
    }
}
