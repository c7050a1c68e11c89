// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import MessagePack
internal import PortableClosures
public import ZProcCore

/// A namespace seen as a struct: each stored property is an entry of its own.
///
///     struct Bakery: Codable, Sendable { var cookies = 0, eaten = 0 }
///     let bakery = try await context.state(Bakery(), namespace: "bakery")
///     try await bakery.update { $0.cookies += 1 }
///     for try await cookies in bakery.values(of: \.cookies) { … }
///
/// A property for which there is no entry has its value of the model given first. Entries that the struct has no property
/// for are kept: programs of several versions can share a namespace. Errors are as those of ``SharedState``.
public struct SharedModel<Model: Codable & Sendable>: Sendable {
    /// The same namespace as a dictionary.
    public let state: SharedState
    private let defaults: [String: EncodedValue]

    init(_ model: Model, in state: SharedState) throws(StateError) {
        self.state = state
        defaults = try ModelCoder.entries(of: model)
    }

    /// Gives properties that have no entry their values of the first model.
    func enterDefaults() async throws {
        let defaults = defaults, snapshot = try await state.snapshot()
        _ = try ModelCoder.model(Model.self, from: snapshot, defaults)
        guard defaults.keys.contains(where: { !snapshot.contains($0) }) else { return }
        try await state.update { draft in
            for (key, value) in defaults where !draft.contains(key) { try draft.setEncoded(key, value) }
        }
    }

    /// The model as it is now.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the entries make none.
    public func value() async throws -> Model {
        try ModelCoder.model(Model.self, from: try await state.snapshot(), defaults)
    }

    /// Changes the model in one transaction; only properties that have changed are written.
    ///
    /// Everything said of ``SharedState/update(fileID:line:_:)`` holds.
    ///
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws, and nothing has changed; ``StateError/Code/typeMismatch`` when the entries make no
    ///   model.
    @discardableResult
    public func update<Result: Codable & Sendable>(
        fileID: String = #fileID,
        line: Int = #line,
        _ body: @escaping @Sendable (inout Model) throws -> Result
    ) async throws -> Result {
        let location = SourceLocation(fileID: fileID, line: line)
        let closure = ModelClosure(body: body)
        return try await state.access.updateModel(closure, defaults, by: state.origin, at: location)
    }

    /// Changes the model in one transaction; see the other form.
    public func update(
        fileID: String = #fileID,
        line: Int = #line,
        _ body: @escaping @Sendable (inout Model) throws -> Void
    ) async throws {
        let location = SourceLocation(fileID: fileID, line: line)
        let closure = VoidModelClosure(body: body)
        try await state.access.updateModel(closure, defaults, by: state.origin, at: location)
    }

    /// The values of a property: the present one, and each other one that a change gives it.
    ///
    /// - Parameters:
    ///   - property: which one.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the values, in order; never the same twice in a row.
    public func values<Property: Equatable & Sendable>(
        of property: any KeyPath<Model, Property> & Sendable,
        timeout: Duration? = nil
    ) -> PropertyValues<Property> {
        let defaults = defaults
        return PropertyValues(snapshots: state.when(timeout: timeout) { _ in true }) { snapshot in
            try ModelCoder.model(Model.self, from: snapshot, defaults)[keyPath: property]
        }
    }

    /// The models for which a condition holds: the present one, and each that a change makes.
    ///
    /// - Parameters:
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    ///   - condition: what to ask each model; runs in this process.
    /// - Returns: the models, in order.
    public func when(
        count: Int? = nil,
        timeout: Duration? = nil,
        _ condition: @escaping @Sendable (Model) throws -> Bool
    ) -> AsyncThrowingMapSequence<Snapshots, Model> {
        let defaults = defaults
        return state.when(count: count, timeout: timeout) { snapshot in
            try condition(ModelCoder.model(Model.self, from: snapshot, defaults))
        }
        .map { try ModelCoder.model(Model.self, from: $0, defaults) }
    }

    /// The first model for which a condition holds: the present one, if it does.
    ///
    /// - Parameters:
    ///   - timeout: how long to wait.
    ///   - condition: what to ask each model; runs in this process.
    /// - Returns: the model.
    /// - Throws: ``StateError/Code/timedOut``; `CancellationError`; what `condition` throws.
    @discardableResult
    public func first(
        timeout: Duration? = nil,
        where condition: @escaping @Sendable (Model) throws -> Bool
    ) async throws -> Model {
        for try await model in when(count: 1, timeout: timeout, condition) { return model }
        throw CancellationError()
    }
}

extension SharedModel: Codable {}

extension Context {
    /// A namespace seen as a struct.
    ///
    /// - Parameters:
    ///   - model: gives the values of properties that are not in the state; those are entered, all at once.
    ///   - namespace: the namespace; it should have no other keys than the model's.
    /// - Returns: a handle, which can be captured and sent.
    /// - Throws: ``StateError/Code/notEncodable`` when the model is no struct of properties;
    ///   ``StateError/Code/typeMismatch`` when what is in the state makes none.
    public func state<Model: Codable & Sendable>(
        _ model: Model,
        namespace: String = "default"
    ) async throws -> SharedModel<Model> {
        let shared = try SharedModel(model, in: state(namespace: namespace))
        try await shared.enterDefaults()
        return shared
    }
}

/// The values of a model's property, in order; see ``SharedModel/values(of:timeout:)``.
public struct PropertyValues<Property: Equatable & Sendable>: AsyncSequence, Sendable {
    /// One value at a time.
    public typealias Element = Property

    let snapshots: Snapshots
    let value: @Sendable (Snapshot) throws -> Property

    /// Goes through the values.
    public func makeAsyncIterator() -> Iterator {
        Iterator(snapshots: snapshots.makeAsyncIterator(), value: value)
    }

    /// Goes through the values.
    public struct Iterator: AsyncIteratorProtocol {
        private var snapshots: Snapshots.Iterator
        private let value: @Sendable (Snapshot) throws -> Property
        private var last: Property?

        fileprivate init(snapshots: Snapshots.Iterator, value: @escaping @Sendable (Snapshot) throws -> Property) {
            self.snapshots = snapshots
            self.value = value
        }

        /// The next value; nil at the end.
        public mutating func next() async throws -> Property? {
            while let snapshot = try await snapshots.next() {
                let value = try value(snapshot)
                if value == last { continue }
                last = value
                return value
            }
            return nil
        }
    }
}
