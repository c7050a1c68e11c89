// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
public import MessagePack
internal import PortableClosures
public import ZProcCore

/// A dictionary that many tasks and processes share: strings to any `Codable` values.
///
/// Every operation is atomic by itself and linearizable: what has returned is seen by every later read of every
/// process. A handle is small; capture it in a spawned closure, put it into messages, or make another by
/// `context.state(namespace:)`: all handles of a namespace see the same state.
///
/// Processes of one machine read and write the state in memory they share, in microseconds; others send messages to the
/// process that keeps it. Errors: ``StateError`` for values of the wrong type, keys and values over ``StateLimits``, and
/// storage that fails; ``TransportError`` when the process that keeps the state is gone.
public struct SharedState: Sendable {
    /// Which of the context's dictionaries this is.
    public let namespace: String
    /// Who changes made through this handle, and its copies, are said to come from.
    public let origin: Origin
    let access: any StateAccess

    init(namespace: String, origin: Origin, access: any StateAccess) {
        self.namespace = namespace
        self.origin = origin
        self.access = access
    }

    /// A handle of the same state with an origin of its own, for watches that tell their own changes from others'.
    public func fork() -> SharedState { SharedState(namespace: namespace, origin: .random(), access: access) }

    // MARK: One key

    /// The value of `key`, or nil when there is none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no `T`.
    public func get<T: Decodable & Sendable>(_ key: String, as type: T.Type = T.self) async throws -> T? {
        guard let value = try await access.value(of: key) else { return nil }
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
        try await set(key, toEncoded: EncodedValue(encoding: value, for: key))
    }

    /// Gives `key` a value written as a literal, such as `["list": [1, 2.5, nil]]`.
    public func set(_ key: String, to value: Value) async throws {
        try await set(key, toEncoded: EncodedValue(encoding: value, for: key))
    }

    /// Gives `key` a value if it has none; whether it had none.
    @discardableResult
    public func setIfAbsent<T: Encodable & Sendable>(_ key: String, to value: T) async throws -> Bool {
        try await answer(.setIfAbsent(key, EncodedValue(encoding: value, for: key)), key)
    }

    /// Gives `key` the value `new` if its value is `expected`; whether it was.
    ///
    /// `nil` stands for no value, on either side.
    ///
    /// - Throws: ``StateError/Code/notEncodable`` when MessagePack cannot hold a value.
    @discardableResult
    public func compareAndSet<T: Encodable & Sendable>(
        _ key: String,
        expecting expected: T?,
        to new: T?
    ) async throws -> Bool {
        let expected = try expected.map { value throws(StateError) in try EncodedValue(encoding: value, for: key) }
        let new = try new.map { value throws(StateError) in try EncodedValue(encoding: value, for: key) }
        return try await answer(.compareAndSet(key, expected: expected, new: new), key)
    }

    /// Removes `key` and gives the value it had, or nil when it had none.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value was no `T`; it is removed all the same.
    @discardableResult
    public func remove<T: Decodable & Sendable>(_ key: String, as type: T.Type) async throws -> T? {
        guard let value = try await apply(.remove(key)).first else { return nil }
        return try value.decode(T.self, for: key)
    }

    /// Removes `key` and gives the value it had as MessagePack knows it, or nil when it had none.
    @discardableResult
    public func remove(_ key: String) async throws -> Value? {
        try await apply(.remove(key)).first?.value
    }

    /// Removes some key and gives it with its value; nil when there is none.
    ///
    /// Which key is not defined. Each entry is given to one caller only: a way to share out work.
    public func popAny() async throws -> (key: String, value: Value)? {
        let answer = try await apply(.popAny)
        guard answer.count == 2 else { return nil }
        return (try answer[0].decode(String.self, for: "popAny"), answer[1].value)
    }

    /// Whether `key` has a value; nil is a value.
    public func contains(_ key: String) async throws -> Bool { try await access.contains(key) }

    /// Adds to an integer, which is 0 when there is none; gives the sum.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no integer that fits `Int`;
    ///   ``StateError/Code/outOfRange`` when the sum does not.
    @discardableResult
    public func increment(_ key: String, by amount: Int = 1) async throws -> Int {
        try await answer(.increment(key, EncodedValue(encoding: amount, for: key)), key)
    }

    /// Adds to a floating-point number, which is 0 when there is none; gives the sum.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no number.
    @discardableResult
    public func increment(_ key: String, by amount: Double) async throws -> Double {
        try await answer(.increment(key, EncodedValue(encoding: amount, for: key)), key)
    }

    /// Adds an element to the end of an array, which is empty when there is none; gives the new number of elements.
    ///
    /// Cost: O(elements).
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no array.
    @discardableResult
    public func append<T: Encodable & Sendable>(_ element: T, to key: String) async throws -> Int {
        try await append(contentsOf: CollectionOfOne(element), to: key)
    }

    /// Adds elements to the end of an array, which is empty when there is none; gives the new number of elements.
    ///
    /// Cost: O(elements).
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no array.
    @discardableResult
    public func append<Elements: Sequence>(contentsOf elements: Elements, to key: String) async throws -> Int
    where Elements.Element: Encodable & Sendable {
        let encoded = try elements.map { element throws(StateError) in
            try EncodedValue(encoding: element, for: key)
        }
        return try await answer(.append(key, encoded), key)
    }

    // MARK: All keys

    /// How many keys there are.
    public func count() async throws -> Int { try await access.count() }

    /// Whether there is no key.
    public func isEmpty() async throws -> Bool { try await access.count() == 0 }

    /// All keys, in no particular order.
    ///
    /// Cost: O(n).
    public func keys() async throws -> [String] { try await access.keys() }

    /// All values, in no particular order.
    ///
    /// Cost: O(n).
    public func values() async throws -> [Value] { try await access.snapshot().values }

    /// All entries.
    ///
    /// Cost: O(n).
    public func items() async throws -> [String: Value] { try await access.snapshot().items }

    /// Whether the state holds these entries and no others.
    ///
    /// Cost: O(n).
    public func isEqual(to entries: [String: Value]) async throws -> Bool { try await access.snapshot() == entries }

    /// Gives each key of `values` its value, all at once.
    public func merge<T: Encodable & Sendable>(_ values: [String: T]) async throws {
        _ = try await apply(.merge(Self.encode(values)))
    }

    /// Gives each key of a literal its value, all at once.
    public func merge(_ values: [String: Value]) async throws {
        _ = try await apply(.merge(Self.encode(values)))
    }

    /// Gives each key of `values` its value, all at once; where there is one already, what `combine` makes of the two.
    ///
    ///     try await state.merge(counts, uniquingKeysWith: +)
    ///
    /// `combine` runs in the transaction, as an ``update(fileID:line:_:)`` closure does.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when an old value is no `T`; what `combine` throws. Nothing has
    ///   changed then.
    public func merge<T: Codable & Sendable>(
        _ values: [String: T],
        uniquingKeysWith combine: @escaping @Sendable (_ old: T, _ new: T) throws -> T,
        fileID: String = #fileID,
        line: Int = #line
    ) async throws {
        try await access.merge(
            Self.encode(values),
            MergeClosure(combine: combine),
            by: origin,
            at: SourceLocation(fileID: fileID, line: line)
        )
    }

    /// Makes these entries the whole state, all at once.
    ///
    /// Cost: O(n).
    public func replaceAll<T: Encodable & Sendable>(with values: [String: T]) async throws {
        _ = try await apply(.replaceAll(Self.encode(values)))
    }

    /// Makes the entries of a literal the whole state, all at once.
    ///
    /// Cost: O(n).
    public func replaceAll(with values: [String: Value]) async throws {
        _ = try await apply(.replaceAll(Self.encode(values)))
    }

    /// Removes all keys.
    ///
    /// Cost: O(n).
    public func clear() async throws { _ = try await apply(.clear) }

    /// The whole state at one revision.
    ///
    /// Cost: O(1) where the state is shared directly; elsewhere the entries travel.
    public func snapshot() async throws -> Snapshot { try await access.snapshot() }

    // MARK: Transactions

    /// Changes the state in one transaction: either all writes of `body` happen, or none.
    ///
    ///     try await state.update { draft in
    ///         draft["cookies", default: 0] += 5
    ///     }
    ///
    /// Updates of a namespace run one at a time, each once. Keep it short, and without side effects other than on the
    /// draft: everybody else's updates wait for it. Where the state is not shared directly, the closure travels to the
    /// process that keeps it with what it captured, which must be `Codable` then.
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
        if let engine = access.localEngine { return try await engine.update(by: origin, body) }
        let location = SourceLocation(fileID: fileID, line: line)
        return try await access.update(UpdateClosure(body: body), by: origin, at: location)
    }

    /// Changes the state in one transaction; see the other form.
    public func update(
        fileID: String = #fileID,
        line: Int = #line,
        _ body: @escaping @Sendable (inout Draft) throws -> Void
    ) async throws {
        if let engine = access.localEngine { return try await engine.update(by: origin, body) }
        let location = SourceLocation(fileID: fileID, line: line)
        try await access.update(UpdateClosure(body: body), by: origin, at: location)
    }

    // MARK: The namespace

    /// Removes all entries and the history; the next write makes the namespace anew.
    ///
    /// Revisions go on where they were. Watches end with ``StateError/Code/dropped``.
    public func drop() async throws { try await access.drop(by: origin) }

    /// What is done most often is not made an operation where it is done here.
    private func set(_ key: String, toEncoded value: EncodedValue) async throws {
        guard let engine = access.localEngine else {
            _ = try await access.apply(.set(key, value), by: origin)
            return
        }
        try await engine.update(by: origin) { _ = try $0.setEncoded(key, value) }
    }

    private func apply(_ operation: StateOperation) async throws -> [EncodedValue] {
        if let engine = access.localEngine { return try await engine.apply(operation, by: origin) }
        return try await access.apply(operation, by: origin)
    }

    private func answer<T: Decodable>(_ operation: StateOperation, _ key: String) async throws -> T {
        guard let value = try await apply(operation).first else {
            throw StateError(.malformed, "the answer to state.\(operation.method.rawValue) is empty")
        }
        return try value.decode(T.self, for: key)
    }

    private static func encode(_ values: [String: some Encodable]) throws(StateError) -> [String: EncodedValue] {
        var encoded: [String: EncodedValue] = [:]
        encoded.reserveCapacity(values.count)
        for (key, value) in values { encoded[key] = try EncodedValue(encoding: value, for: key) }
        return encoded
    }
}

/// A handle travels as its namespace, its origin, and where the state lives.
extension SharedState: Codable {
    /// Makes a handle that works through the system in `userInfo[.actorSystemKey]`, as it is wherever this library
    /// decodes.
    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        let namespace = try container.decode(String.self)
        let origin = try container.decode(Origin.self)
        let home = try container.decode(StateHome.self)
        guard let system = decoder.userInfo[.actorSystemKey] as? ZProcSystem else {
            throw StateError(
                .unavailable,
                "the handle of state '\(namespace)' needs a system: put one into the decoder's userInfo[.actorSystemKey]"
            )
        }
        self.init(namespace: namespace, origin: origin, access: system.state(namespace: namespace, home: home))
    }

    /// Writes `[namespace, origin, home]`, and makes this process listen when the state lives in it.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(namespace)
        try container.encode(origin)
        try container.encode(try access.home())
    }
}
