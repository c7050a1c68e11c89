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
    /// What was written, kept apart from the state.
    private var writes = WriteSet()
    /// Whether all keys of the base were removed before the writes.
    private var isCleared = false
    /// How many keys there are.
    public private(set) var count: Int
    /// The first read or write that failed in a subscript, which cannot throw.
    private var failure: StateError?

    package init(_ base: Snapshot) {
        self.base = base
        count = base.count
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
        guard let value = self[encoded: key] else { return nil }
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
        let hadValue = contains(key)
        self[encoded: key] = nil
        return hadValue
    }

    /// Removes all keys.
    public mutating func removeAll() {
        guard count > 0 else { return }
        writes.removeAll()
        isCleared = true
        count = 0
    }

    /// Gives each key of `values` its value.
    ///
    /// - Throws: ``StateError/Code/notEncodable``.
    public mutating func merge<T: Encodable>(_ values: [String: T]) throws(StateError) {
        for (key, value) in values { try set(key, to: value) }
    }

    /// Whether there is no key.
    public var isEmpty: Bool { count == 0 }

    /// All keys, in no particular order.
    ///
    /// Cost: O(n).
    public var keys: [String] {
        var keys = isCleared ? [] : base.keys.filter { writes[$0] == nil }
        writes.forEach { key, value in
            if value != nil { keys.append(key) }
        }
        return keys
    }

    /// Whether `key` has a value; nil is a value.
    public func contains(_ key: String) -> Bool { self[encoded: key] != nil }

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
        get {
            if let written = writes[key] { return written }
            return isCleared ? nil : base.encoded(key)
        }
        set {
            let old = self[encoded: key]
            // A write that changes nothing makes no revision.
            guard old != newValue else { return }
            count += (newValue == nil ? 0 : 1) - (old == nil ? 0 : 1)
            writes.write(newValue, to: key)
        }
    }

    /// What is to be done to the state when the closure has returned; nil when nothing was changed.
    ///
    /// Gives up the base with the draft, so that the state may be changed in place when nobody else looks at it.
    ///
    /// - Throws: the failure of a subscript.
    package consuming func commit() throws(StateError) -> Commit? {
        if let failure { throw failure }
        return isCleared || !writes.isEmpty ? Commit(isCleared: isCleared, writes: writes) : nil
    }
}

/// The outcome of an update.
package struct Commit: Sendable {
    /// Whether all keys go before the writes.
    let isCleared: Bool
    /// New values, and keys to remove.
    let writes: WriteSet
}

extension Snapshot {
    /// Makes this the next revision.
    ///
    /// Cost: O(log n) for each write; less when no other snapshot shares the entries.
    mutating func apply(_ commit: Commit) {
        revision = revision.next
        if commit.isCleared { entries = [:] }
        commit.writes.forEach { key, value in entries[key] = value }
    }
}
