// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import HashTreeCollections
public import MessagePack

/// The mutable view of a namespace inside `update`.
///
/// Reads see the writes made before; nobody else sees them until the closure returns.
///
///     try await state.update { draft in
///         draft["cookies", default: 0] += 5
///     }
///
/// Reading a value as a type that it is not of ends the update with ``StateError/Code/typeMismatch`` as soon as the
/// closure returns, and nothing has changed; a subscript returns its default in the meantime. Cost of every operation:
/// O(log n), and encoding or decoding the value.
public struct Draft {
    private let base: Snapshot
    private(set) var entries: Entries
    private var isChanged = false
    /// The first read or write that failed in a subscript, which cannot throw.
    private(set) var failure: StateError?

    package init(_ base: Snapshot) {
        self.base = base
        entries = base.entries
    }

    /// The value of `key`, or `defaultValue` when there is none; set it or change it in place.
    public subscript<T: Codable>(key: String, default defaultValue: @autoclosure () -> T) -> T {
        mutating get { read(key, as: T.self) ?? defaultValue() }
        set { write(key, newValue) }
    }

    /// The value of `key` as a `type`, or nil when there is none; setting nil removes the key.
    public subscript<T: Codable>(key: String, as type: T.Type) -> T? {
        mutating get { read(key, as: type) }
        set {
            if let newValue { write(key, newValue) } else { remove(key) }
        }
    }

    /// The value of `key` as MessagePack knows it, or nil when there is none; setting nil removes the key.
    public subscript(key: String) -> Value? {
        mutating get { read(key, as: Value.self) }
        set {
            if let newValue { write(key, newValue) } else { remove(key) }
        }
    }

    /// The value of `key`, or nil when there is none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch``; catch it to go on without the value.
    public func get<T: Decodable>(_ key: String, as type: T.Type = T.self) throws(StateError) -> T? {
        guard let value = entries[key] else { return nil }
        return try value.decode(T.self, for: key)
    }

    /// Gives `key` a value.
    ///
    /// - Throws: ``StateError/Code/notEncodable``.
    public mutating func set<T: Encodable>(_ key: String, to value: T) throws(StateError) {
        self[encoded: key] = try EncodedValue(encoding: value, for: key)
    }

    /// Removes `key`; whether it had a value.
    @discardableResult
    public mutating func remove(_ key: String) -> Bool {
        guard entries.removeValue(forKey: key) != nil else { return false }
        isChanged = true
        return true
    }

    /// Removes all keys.
    public mutating func removeAll() {
        guard !entries.isEmpty else { return }
        entries = [:]
        isChanged = true
    }

    /// Gives each key of `values` its value.
    ///
    /// - Throws: ``StateError/Code/notEncodable``.
    public mutating func merge<T: Encodable>(_ values: [String: T]) throws(StateError) {
        for (key, value) in values { try set(key, to: value) }
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

    private mutating func read<T: Decodable>(_ key: String, as type: T.Type) -> T? {
        do throws(StateError) {
            return try get(key, as: type)
        } catch {
            failure = failure ?? error
            return nil
        }
    }

    private mutating func write<T: Encodable>(_ key: String, _ value: T) {
        do throws(StateError) {
            try set(key, to: value)
        } catch {
            failure = failure ?? error
        }
    }

    package subscript(encoded key: String) -> EncodedValue? {
        get { entries[key] }
        set {
            // A write that changes nothing makes no revision.
            guard entries[key] != newValue else { return }
            entries[key] = newValue
            isChanged = true
        }
    }

    /// What is to be published when the closure has returned; the base itself when nothing was changed.
    ///
    /// - Throws: the failure of a subscript.
    package func committed() throws(StateError) -> Snapshot {
        if let failure { throw failure }
        return isChanged ? Snapshot(revision: base.revision.next, entries: entries) : base
    }
}
