// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import MessagePack

/// The mutable view of a namespace inside `update`.
///
/// Reads see the writes made before; nobody else sees them until the closure returns.
///
///     try await state.update { draft in
///         draft["cookies", default: 0] += 5
///     }
///
/// What fails in a subscript, which cannot throw, ends the update as soon as the closure returns, and nothing has
/// changed: a value read as a type that it is not of, a value too large, a key too long. A subscript gives its default in
/// the meantime. Cost of every operation, where none is given: O(log n), and encoding or decoding the value.
public struct Draft: ~Copyable {
    private let base: Entries
    /// What was written, kept apart from the state.
    private var written = WriteSet()
    /// How many keys there are.
    public private(set) var count: Int
    /// What the state had for the key that a subscript, or an operation that may write it, has looked up last: the next to
    /// be written is nearly always that.
    private var lastRead: (key: EntryKey, value: EncodedValue?)?
    /// The first failure of an operation that cannot throw.
    private var failure: StateError?

    package init(_ base: consuming Entries) {
        count = base.count
        self.base = base
    }

    // MARK: One key

    /// The value of `key`, or `defaultValue` when there is none; set it or change it in place.
    public subscript<T: Codable>(key: String, default defaultValue: @autoclosure () -> T) -> T {
        mutating get { read(key, default: defaultValue) }
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

    /// The value of a typed key, or `defaultValue` when there is none; set it or change it in place.
    public subscript<T>(key: Key<T>, default defaultValue: @autoclosure () -> T) -> T {
        mutating get { read(key.name, default: defaultValue) }
        set { write(key.name, newValue) }
    }

    /// The value of a typed key, or nil when there is none; setting nil removes the key.
    public subscript<T>(key: Key<T>) -> T? {
        mutating get { read(key.name, as: T.self) }
        set {
            if let newValue { write(key.name, newValue) } else { remove(key.name) }
        }
    }

    /// The value of `key`, or nil when there is none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch``; catch it to go on without the value.
    public func get<T: Decodable>(_ key: String, as type: T.Type = T.self) throws(StateError) -> T? {
        guard let value = try encoded(key) else { return nil }
        return try value.decode(T.self, for: key)
    }

    /// Gives `key` a value.
    ///
    /// - Throws: ``StateError/Code/notEncodable``, ``StateError/Code/valueTooLarge``, ``StateError/Code/keyTooLong``.
    public mutating func set<T: Encodable>(_ key: String, to value: T) throws(StateError) {
        try setEncoded(key, EncodedValue(encoding: value, for: key))
    }

    /// Removes `key`; whether it had a value.
    @discardableResult
    public mutating func remove(_ key: String) -> Bool {
        attempt(default: false) { draft throws(StateError) in try draft.setEncoded(key, nil) }
    }

    /// Removes some key, and gives it with its value; nil when there is none.
    ///
    /// Which key is not defined.
    ///
    /// - Throws: ``StateError/Code/storageDamaged`` when the state cannot be read.
    public mutating func popAny() throws(StateError) -> (key: String, value: Value)? {
        guard let (key, value) = try popEncoded() else { return nil }
        return (key, value.value)
    }

    /// Gives `key` a value if it has none; whether it had none.
    ///
    /// - Throws: as ``set(_:to:)``.
    @discardableResult
    public mutating func setIfAbsent<T: Encodable>(_ key: String, to value: T) throws(StateError) -> Bool {
        if contains(key) { return false }
        try set(key, to: value)
        return true
    }

    /// Whether `key` has a value; nil is a value.
    public mutating func contains(_ key: String) -> Bool {
        attempt(default: false) { draft throws(StateError) in try draft.encoded(key) != nil }
    }

    // MARK: All keys

    /// Whether there is no key.
    public var isEmpty: Bool { count == 0 }

    /// All keys, in no particular order.
    ///
    /// Cost: O(n).
    public var keys: [String] {
        mutating get {
            var keys: [String] = []
            attempt(default: ()) { draft throws(StateError) in
                try draft.forEach { key, _ in keys.append(key) }
            }
            return keys
        }
    }

    /// Gives `key` the value `new` if its value is `expected`; whether it was.
    ///
    /// `nil` stands for no value, on either side.
    ///
    /// - Throws: as ``set(_:to:)``.
    @discardableResult
    public mutating func compareAndSet<T: Encodable>(
        _ key: String,
        expecting expected: T?,
        to new: T?
    ) throws(StateError) -> Bool {
        let expected = try expected.map { value throws(StateError) in try EncodedValue(encoding: value, for: key) }
        let new = try new.map { value throws(StateError) in try EncodedValue(encoding: value, for: key) }
        return try compareAndSet(encoded: key, expected, new)
    }

    package mutating func compareAndSet(
        encoded key: String,
        _ expected: EncodedValue?,
        _ new: EncodedValue?
    ) throws(StateError) -> Bool {
        let isEqual =
            switch (try current(key), expected) {
            case (nil, nil): true
            case (let current?, let expected?): current.means(expected)
            default: false
            }
        if isEqual { try setEncoded(key, new) }
        return isEqual
    }

    /// All entries, in no particular order.
    ///
    /// Cost: O(n).
    public var items: [String: Value] {
        mutating get {
            var items: [String: Value] = [:]
            attempt(default: ()) { draft throws(StateError) in
                try draft.forEach { key, value in items[key] = value.value }
            }
            return items
        }
    }

    /// Gives each key of `values` its value.
    ///
    /// - Throws: as ``set(_:to:)``.
    public mutating func merge<T: Encodable>(_ values: [String: T]) throws(StateError) {
        for (key, value) in values { try set(key, to: value) }
    }

    /// Gives each key of `values` its value; where there is one already, what `combine` makes of the old and the new.
    ///
    /// - Throws: as ``set(_:to:)``; ``StateError/Code/typeMismatch`` when an old value is no `T`; what `combine` throws.
    public mutating func merge<T: Codable>(
        _ values: [String: T],
        uniquingKeysWith combine: (_ old: T, _ new: T) throws -> T
    ) throws {
        for (key, value) in values {
            if let old = try get(key, as: T.self) {
                try set(key, to: combine(old, value))
            } else {
                try set(key, to: value)
            }
        }
    }

    /// Removes all keys.
    ///
    /// Cost: O(n).
    public mutating func removeAll() {
        attempt(default: ()) { draft throws(StateError) in
            var keys: [String] = []
            try draft.forEach { key, _ in keys.append(key) }
            for key in keys { try draft.setEncoded(key, nil) }
        }
    }

    // MARK: Numbers and lists

    /// Adds to a number, which is 0 when there is none; gives the sum.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no integer that fits `Int`;
    ///   ``StateError/Code/outOfRange`` when the sum does not.
    @discardableResult
    public mutating func increment(_ key: String, by amount: Int = 1) throws(StateError) -> Int {
        let old = try current(key)?.decode(Int.self, for: key) ?? 0
        let (sum, overflow) = old.addingReportingOverflow(amount)
        guard !overflow else {
            throw StateError(.outOfRange, "'\(key)' holds \(old); adding \(amount) leaves the range of Int", key: key)
        }
        try set(key, to: sum)
        return sum
    }

    /// Adds to a floating-point number, which is 0 when there is none; gives the sum.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no number.
    @discardableResult
    public mutating func increment(_ key: String, by amount: Double) throws(StateError) -> Double {
        let sum = (try current(key)?.decode(Double.self, for: key) ?? 0) + amount
        try set(key, to: sum)
        return sum
    }

    /// Adds an element to the end of an array, which is empty when there is none; gives the new number of elements.
    ///
    /// Cost: O(elements).
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no array.
    @discardableResult
    public mutating func append<T: Encodable>(_ element: T, to key: String) throws(StateError) -> Int {
        try append([EncodedValue(encoding: element, for: key)], toEncoded: key)
    }

    // MARK: Encoded values

    package func encoded(_ key: String) throws(StateError) -> EncodedValue? {
        if let place = written.place(of: key) { return written.writes[place].after }
        return try base.value(of: key)
    }

    /// The same; what the state has is remembered for when the key is written.
    private mutating func current(_ key: String) throws(StateError) -> EncodedValue? {
        if let place = written.place(of: key) { return written.writes[place].after }
        let value = try base.value(of: key)
        lastRead = (EntryKey(key), value)
        return value
    }

    /// Gives a key a value, or removes it; whether it had one.
    @discardableResult
    package mutating func setEncoded(_ key: String, _ value: consuming EncodedValue?) throws(StateError) -> Bool {
        let hasValue = value != nil, hadValue: Bool
        if let count = value?.bytes.count { try StateLimits.check(valueByteCount: count, for: key) }
        if let place = written.place(of: key) {
            hadValue = written.replace(place, value)
        } else {
            try StateLimits.check(key: key)
            let old: EncodedValue?
            if lastRead?.key == EntryKey(key) {
                // Not looked at again: from now on it is found among what was written.
                old = lastRead.take()?.value
            } else {
                old = try base.value(of: key)
            }
            hadValue = old != nil
            // Removing what is not there is no write.
            if !hadValue, !hasValue { return false }
            written.append(Write(key: key, before: old, after: value))
        }
        count += (hasValue ? 1 : 0) - (hadValue ? 1 : 0)
        return hadValue
    }

    /// Removes a key; gives the value that it had.
    package mutating func removeEncoded(_ key: String) throws(StateError) -> EncodedValue? {
        let old = try current(key)
        try setEncoded(key, nil)
        return old
    }

    package mutating func popEncoded() throws(StateError) -> (String, EncodedValue)? {
        var found: (String, EncodedValue)?
        try forEach { key, value in
            found = (key, value)
            throw Enough()
        }
        guard let found else { return nil }
        try setEncoded(found.0, nil)
        return found
    }

    @discardableResult
    package mutating func append(_ elements: [EncodedValue], toEncoded key: String) throws(StateError) -> Int {
        let list = (try get(key, as: [EncodedValue].self) ?? []) + elements
        try set(key, to: list)
        return list.count
    }

    /// Visits each entry once; ends early when `body` throws ``Enough``.
    private func forEach(_ body: (String, EncodedValue) throws -> Void) throws(StateError) {
        do {
            for write in written.writes {
                if let value = write.after { try body(write.key, value) }
            }
            try base.forEach { key, value in
                if written.place(of: key) == nil { try body(key, value) }
            }
        } catch is Enough {
        } catch let error as StateError {
            throw error
        } catch {
            throw StateError(.storageDamaged, "the state cannot be read: \(error)")
        }
    }

    private struct Enough: Error {}

    private mutating func read<T: Decodable>(_ key: String, as type: T.Type) -> T? {
        attempt(default: nil) { draft throws(StateError) in try draft.current(key)?.decode(type, for: key) }
    }

    private mutating func read<T: Decodable>(_ key: String, default defaultValue: () -> T) -> T {
        do throws(StateError) {
            if let place = written.place(of: key) {
                guard let value = written.writes[place].after else { return defaultValue() }
                return try value.decode(T.self, for: key)
            }
            guard let value = try base.value(of: key) else {
                lastRead = (EntryKey(key), nil)
                return defaultValue()
            }
            // Remembered last, so that it need not be kept twice.
            let decoded = try value.decode(T.self, for: key)
            lastRead = (EntryKey(key), value)
            return decoded
        } catch {
            failure = failure ?? error
            return defaultValue()
        }
    }

    private mutating func write<T: Encodable>(_ key: String, _ value: T) {
        attempt(default: ()) { draft throws(StateError) in try draft.set(key, to: value) }
    }

    private mutating func attempt<T>(default fallback: T, _ body: (inout Draft) throws(StateError) -> T) -> T {
        do throws(StateError) {
            return try body(&self)
        } catch {
            failure = failure ?? error
            return fallback
        }
    }

    /// What is to be done to the state when the closure has returned; empty when nothing was written.
    ///
    /// Gives up the base with the draft, so that the state may be changed in place when nobody else looks at it.
    ///
    /// - Throws: the failure of an operation that could not throw.
    package consuming func commit() throws(StateError) -> [Write] {
        if let failure { throw failure }
        return written.writes
    }
}
