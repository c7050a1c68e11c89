// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import HashTreeCollections
public import MessagePack

/// The content of a namespace at one revision.
///
/// Immutable; making one never copies the state. Where the state is shared by processes, a snapshot reads the shared
/// memory as it was; if it is held for long, it copies itself out in the background.
public struct Snapshot: Sendable {
    /// Which revision this is.
    public package(set) var revision: Revision
    package var entries: Entries

    package init(revision: Revision, entries: Entries) {
        self.revision = revision
        self.entries = entries
    }

    static let empty = Snapshot(revision: .zero, entries: Entries())

    /// How many keys there are.
    public var count: Int { entries.count }

    /// Whether there is no key.
    public var isEmpty: Bool { entries.count == 0 }

    /// All keys, in no particular order.
    ///
    /// Cost: O(n).
    public var keys: [String] {
        var keys: [String] = []
        keys.reserveCapacity(count)
        try? entries.forEach { key, _ in keys.append(key) }
        return keys
    }

    /// All values, in no particular order.
    ///
    /// Cost: O(n).
    public var values: [Value] {
        var values: [Value] = []
        values.reserveCapacity(count)
        try? entries.forEach { _, value in values.append(value.value) }
        return values
    }

    /// All entries.
    ///
    /// Cost: O(n).
    public var items: [String: Value] {
        var items: [String: Value] = [:]
        items.reserveCapacity(count)
        try? entries.forEach { key, value in items[key] = value.value }
        return items
    }

    /// Whether `key` has a value; nil is a value.
    public func contains(_ key: String) -> Bool { encoded(key) != nil }

    /// The value of `key`, or nil when there is none.
    ///
    /// Cost: O(log n) and decoding.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no `T`.
    public func get<T: Decodable>(_ key: String, as type: T.Type = T.self) throws(StateError) -> T? {
        guard let value = try entries.value(of: key) else { return nil }
        return try value.decode(T.self, for: key)
    }

    /// The value of `key`, or `defaultValue` when there is none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no `T`.
    public func get<T: Decodable>(_ key: String, default defaultValue: T) throws(StateError) -> T {
        try get(key, as: T.self) ?? defaultValue
    }

    /// The value of a typed key, or nil when there is none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is of another type.
    public func get<T>(_ key: Key<T>) throws(StateError) -> T? { try get(key.name, as: T.self) }

    package func encoded(_ key: String) -> EncodedValue? { (try? entries.value(of: key)) ?? nil }

    /// The value of `key` as MessagePack knows it; nil when there is none.
    public subscript(key: String) -> Value? { encoded(key)?.value }

    /// The value of `key`, or `defaultValue` when there is none or it is of another type.
    ///
    /// For conditions such as `{ $0["gold", default: 0] > 40 }`; use ``get(_:as:)`` where the difference matters.
    public subscript<T: Decodable>(key: String, default defaultValue: @autoclosure () -> T) -> T {
        guard let value = encoded(key) else { return defaultValue() }
        return (try? value.decode(T.self)) ?? defaultValue()
    }

    /// The value of a typed key, or `defaultValue` when there is none or it is of another type.
    public subscript<T>(key: Key<T>, default defaultValue: @autoclosure () -> T) -> T {
        self[key.name, default: defaultValue()]
    }

    /// Whether `key` has a value that a condition counts as true.
    ///
    /// False are: no value, nil, false, 0, and empty strings, binaries, arrays and maps.
    public func isTruthy(_ key: String) -> Bool {
        switch self[key] {
        case nil, .nil: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .uint(let value): value != 0
        case .float(let value): value != 0
        case .double(let value): value != 0
        case .string(let value): !value.isEmpty
        case .binary(let value): !value.isEmpty
        case .array(let value): !value.isEmpty
        case .map(let value): !value.isEmpty
        case .timestamp, .ext: true
        }
    }

    package mutating func apply(_ record: ChangeRecord) {
        entries.apply(record.writes)
        revision = record.revision
    }

    package mutating func revert(_ record: ChangeRecord) {
        entries.revert(record.writes)
        revision = Revision(record.revision.number - 1)
    }
}

extension Snapshot: CustomStringConvertible, Equatable {
    /// The entries as a dictionary is printed, sorted by key.
    public var description: String {
        guard !isEmpty else { return "[:]" }
        let pairs = items.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
        return "[\(pairs.joined(separator: ", "))]"
    }

    /// Whether both hold the same entries; revisions do not count.
    ///
    /// Cost: O(n).
    public static func == (left: Snapshot, right: Snapshot) -> Bool { left == right.items }

    /// Whether a snapshot holds these entries and no others.
    ///
    /// Cost: O(n).
    public static func == (left: Snapshot, right: [String: Value]) -> Bool {
        left.count == right.count && right.allSatisfy { key, value in left[key] == value }
    }
}

extension Snapshot: Codable {
    /// Reads `[revision, {key: value, …}]`.
    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        revision = try container.decode(Revision.self)
        let entries = try container.decode([EntryKey: EncodedValue].self)
        self.entries = Entries(EntryTrie(uniqueKeysWithValues: entries.map { ($0, $1) }))
    }

    /// Writes `[revision, {key: value, …}]`.
    ///
    /// Cost: O(n).
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(revision)
        var all: [EntryKey: EncodedValue] = [:]
        all.reserveCapacity(count)
        try entries.forEach { key, value in all[EntryKey(key)] = value }
        try container.encode(all)
    }
}
