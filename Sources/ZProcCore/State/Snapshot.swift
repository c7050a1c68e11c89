// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import HashTreeCollections
public import MessagePack

/// The content of a namespace at one revision.
///
/// Immutable; making one never copies the state.
public struct Snapshot: Sendable {
    /// Which revision this is.
    public internal(set) var revision: Revision
    package internal(set) var entries: Entries

    package init(revision: Revision, entries: Entries) {
        self.revision = revision
        self.entries = entries
    }

    /// How many keys there are.
    public var count: Int { entries.count }

    /// Whether there is no key.
    public var isEmpty: Bool { entries.isEmpty }

    /// All keys, in no particular order.
    ///
    /// Cost: O(n).
    public var keys: [String] { Array(entries.keys) }

    /// Whether `key` has a value; nil is a value.
    public func contains(_ key: String) -> Bool { entries[key] != nil }

    /// The value of `key`, or nil when there is none.
    ///
    /// Cost: O(log n) and decoding.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no `T`.
    public func get<T: Decodable>(_ key: String, as type: T.Type = T.self) throws(StateError) -> T? {
        guard let value = entries[key] else { return nil }
        return try value.decode(T.self, for: key)
    }

    /// The value of `key`, or `defaultValue` when there is none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no `T`.
    public func get<T: Decodable>(_ key: String, default defaultValue: T) throws(StateError) -> T {
        try get(key, as: T.self) ?? defaultValue
    }

    package func encoded(_ key: String) -> EncodedValue? { entries[key] }

    /// The value of `key` as MessagePack knows it; nil when there is none.
    public subscript(key: String) -> Value? {
        entries[key].map { (try? $0.decode(Value.self)) ?? .nil }
    }
}

extension Snapshot: CustomStringConvertible, Equatable {
    /// The entries as a dictionary is printed, sorted by key.
    public var description: String {
        guard !isEmpty else { return "[:]" }
        let pairs = entries.keys.sorted().map { "\"\($0)\": \(self[$0] ?? .nil)" }
        return "[\(pairs.joined(separator: ", "))]"
    }

    /// Whether both hold the same entries; revisions do not count.
    public static func == (left: Snapshot, right: Snapshot) -> Bool { left.entries == right.entries }
}

extension Snapshot: Codable {
    /// Reads `[revision, {key: value, …}]`.
    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        revision = try container.decode(Revision.self)
        entries = Entries(uniqueKeysWithValues: try container.decode([String: EncodedValue].self).map { ($0, $1) })
    }

    /// Writes `[revision, {key: value, …}]`.
    ///
    /// Cost: O(n).
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(revision)
        try container.encode(Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) }))
    }
}
