// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import MessagePack
internal import PortableClosures
public import ZProcCore

/// A dictionary that many tasks and processes share: strings to any `Codable` values.
///
/// Every operation is atomic by itself and linearizable: what has returned is seen by every later read of every
/// process. A handle is small; capture it in a spawned closure, put it into messages, or make another by
/// `context.state(namespace:)`: all handles of a namespace see the same state.
///
/// In the process of the root context an operation costs under a microsecond; in other processes it is one message
/// there and one back. Errors: ``StateError`` for values of the wrong type, ``TransportError`` when the process that
/// keeps the state is gone.
public struct SharedState: Sendable {
    /// Which of the context's dictionaries this is.
    public let namespace: String
    private let access: any StateAccess

    init(namespace: String, access: any StateAccess) {
        self.namespace = namespace
        self.access = access
    }

    // MARK: One key

    /// The value of `key`, or nil when there is none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no `T`.
    public func get<T: Decodable & Sendable>(_ key: String, as type: T.Type = T.self) async throws -> T? {
        guard let value = try await access.get(key) else { return nil }
        return try value.decode(T.self, for: key)
    }

    /// The value of `key`, or `defaultValue` when there is none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no `T`.
    public func get<T: Decodable & Sendable>(_ key: String, default defaultValue: T) async throws -> T {
        try await get(key, as: T.self) ?? defaultValue
    }

    /// Gives `key` a value.
    ///
    /// - Throws: ``StateError/Code/notEncodable`` when MessagePack cannot hold the value.
    public func set<T: Encodable & Sendable>(_ key: String, to value: T) async throws {
        try await access.set(key, to: EncodedValue(encoding: value, for: key))
    }

    /// Removes `key` and gives the value it had, or nil when it had none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value was no `T`; it is removed all the same.
    @discardableResult
    public func remove<T: Decodable & Sendable>(_ key: String, as type: T.Type) async throws -> T? {
        guard let value = try await access.remove(key) else { return nil }
        return try value.decode(T.self, for: key)
    }

    /// Removes `key`; whether it had a value.
    @discardableResult
    public func remove(_ key: String) async throws -> Bool {
        try await access.remove(key) != nil
    }

    /// Whether `key` has a value; nil is a value.
    public func contains(_ key: String) async throws -> Bool { try await access.contains(key) }

    // MARK: All keys

    /// How many keys there are.
    public func count() async throws -> Int { try await access.count() }

    /// All keys, in no particular order.
    ///
    /// Cost: O(n).
    public func keys() async throws -> [String] { try await access.keys() }

    /// Gives each key of `values` its value, all at once.
    public func merge<T: Encodable & Sendable>(_ values: [String: T]) async throws {
        var encoded: [String: EncodedValue] = [:]
        encoded.reserveCapacity(values.count)
        for (key, value) in values { encoded[key] = try EncodedValue(encoding: value, for: key) }
        try await access.merge(encoded)
    }

    /// The whole state at one revision.
    ///
    /// Cost: O(1) where the state lives; in other processes the entries travel.
    public func snapshot() async throws -> Snapshot { try await access.snapshot() }

    /// Removes all keys.
    public func clear() async throws { try await access.clear() }

    // MARK: Transactions

    /// Changes the state in one transaction: either all writes of `body` happen, or none.
    ///
    ///     try await state.update { draft in
    ///         draft["cookies", default: 0] += 5
    ///     }
    ///
    /// Updates of a namespace run one at a time, each once, where the state lives; in another process the closure
    /// travels there with what it captured, which must be `Codable` then. Keep it short, and without side effects
    /// other than on the draft: everybody else's updates wait for it.
    ///
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws, and nothing has changed; ``StateError/Code/typeMismatch`` when it read a value as
    ///   a type it is not of; ``PortableClosureError`` when the closure cannot travel, and nothing was sent.
    @discardableResult
    public func update<Result: Codable & Sendable>(
        fileID: String = #fileID,
        line: Int = #line,
        _ body: @escaping @Sendable (inout Draft) throws -> Result
    ) async throws -> Result {
        try await access.update(UpdateClosure(body: body), at: SourceLocation(fileID: fileID, line: line))
    }

    /// Changes the state in one transaction; see the other form.
    public func update(
        fileID: String = #fileID,
        line: Int = #line,
        _ body: @escaping @Sendable (inout Draft) throws -> Void
    ) async throws {
        try await access.update(UpdateClosure(body: body), at: SourceLocation(fileID: fileID, line: line))
    }
}

/// A handle travels as the address of the process that keeps the state, and the namespace.
extension SharedState: Codable {
    /// Makes a handle that works through the system in `userInfo[.actorSystemKey]`, as it is wherever this library
    /// decodes.
    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        let namespace = try container.decode(String.self)
        let home = try container.decode(NodeAddress.self)
        guard let system = decoder.userInfo[.actorSystemKey] as? ZProcSystem else {
            throw StateError(
                .unavailable,
                "the handle of state '\(namespace)' needs a system: put one into the decoder's userInfo[.actorSystemKey]"
            )
        }
        self = system.state(namespace: namespace, home: home)
    }

    /// Writes `[namespace, address]`, and makes this process listen when the state lives in it.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(namespace)
        try container.encode(try access.address())
    }
}
