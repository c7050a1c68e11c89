// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import ZProcCore

/// The operations on one key, for keys that say the type of their values.
///
/// Each is the one of the same name on a plain key, and throws what that throws.
extension SharedState {
    /// The value of a typed key, or nil when there is none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is of another type.
    public func get<T>(_ key: Key<T>) async throws -> T? { try await get(key.name, as: T.self) }

    /// The value of a typed key, or `defaultValue` when there is none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is of another type.
    public func get<T>(_ key: Key<T>, default defaultValue: T) async throws -> T {
        try await get(key.name, as: T.self) ?? defaultValue
    }

    /// Gives a typed key a value.
    public func set<T>(_ key: Key<T>, to value: T) async throws { try await set(key.name, to: value) }

    /// Gives a typed key a value if it has none; whether it had none.
    @discardableResult
    public func setIfAbsent<T>(_ key: Key<T>, to value: T) async throws -> Bool {
        try await setIfAbsent(key.name, to: value)
    }

    /// Gives a typed key the value `new` if its value is `expected`; whether it was.
    ///
    /// `nil` stands for no value, on either side.
    @discardableResult
    public func compareAndSet<T>(_ key: Key<T>, expecting expected: T?, to new: T?) async throws -> Bool {
        try await compareAndSet(key.name, expecting: expected, to: new)
    }

    /// Removes a typed key and gives the value it had, or nil when it had none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value was of another type; it is removed all the same.
    @discardableResult
    public func remove<T>(_ key: Key<T>) async throws -> T? { try await remove(key.name, as: T.self) }

    /// Whether a typed key has a value; nil is a value.
    public func contains<T>(_ key: Key<T>) async throws -> Bool { try await contains(key.name) }

    /// Adds to the integer of a typed key, which is 0 when there is none; gives the sum.
    @discardableResult
    public func increment(_ key: Key<Int>, by amount: Int = 1) async throws -> Int {
        try await increment(key.name, by: amount)
    }

    /// Adds to the floating-point number of a typed key, which is 0 when there is none; gives the sum.
    @discardableResult
    public func increment(_ key: Key<Double>, by amount: Double) async throws -> Double {
        try await increment(key.name, by: amount)
    }

    /// Adds an element to the end of a typed key's array, which is empty when there is none; gives the new number.
    @discardableResult
    public func append<T>(_ element: T, to key: Key<[T]>) async throws -> Int {
        try await append(element, to: key.name)
    }
}
