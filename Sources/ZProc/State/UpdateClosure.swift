// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import ZProcCore

/// An `update` closure on its way to the process that keeps the state.
struct UpdateClosure<Result: Sendable>: ClosureHolder {
    let body: @Sendable (inout Draft) throws -> Result
}

/// An update whose result type is known only to itself.
protocol PortableUpdate: ClosureHolder {
    /// Runs the closure in a transaction; gives the result's encoded form.
    func run(
        on engine: any StateEngine,
        by origin: Origin,
        once request: UpdateRequest?,
        system: ZProcSystem
    ) async throws -> [UInt8]
}

extension UpdateClosure: PortableUpdate {
    func run(
        on engine: any StateEngine,
        by origin: Origin,
        once request: UpdateRequest?,
        system: ZProcSystem
    ) async throws -> [UInt8] {
        let body = body
        return try await engine.update(by: origin, once: request) { try encodeResult(try body(&$0), system) }
    }
}

/// What `merge` makes of an old and a new value, on its way to the process that keeps the state.
struct MergeClosure<Value: Codable & Sendable>: ClosureHolder {
    let combine: @Sendable (Value, Value) throws -> Value
}

/// A merge whose type of values is known only to itself.
protocol PortableMerge: ClosureHolder {
    func run(
        _ values: [String: EncodedValue],
        on engine: any StateEngine,
        by origin: Origin,
        once request: UpdateRequest?
    ) async throws
}

extension MergeClosure: PortableMerge {
    func run(
        _ values: [String: EncodedValue],
        on engine: any StateEngine,
        by origin: Origin,
        once request: UpdateRequest?
    ) async throws {
        let combine = combine
        _ = try await engine.update(by: origin, once: request) { draft in
            for (key, value) in values {
                guard let old = try draft.get(key, as: Value.self) else {
                    try draft.setEncoded(key, value)
                    continue
                }
                try draft.set(key, to: combine(old, value.decode(Value.self, for: key)))
            }
            return []
        }
    }
}

/// A change of a model, whose types are known only to itself where it is received.
protocol PortableModelUpdate: ClosureHolder {
    associatedtype Model: Codable & Sendable
    associatedtype Result: Sendable
    func apply(to model: inout Model) throws -> Result
}

/// A change of a model on its way to the process that keeps the state.
struct ModelClosure<Model: Codable & Sendable, Result: Sendable>: PortableModelUpdate {
    let body: @Sendable (inout Model) throws -> Result

    func apply(to model: inout Model) throws -> Result { try body(&model) }
}

/// The same for a change that returns nothing: as a change with a result it would be wrapped by code that is generic, and
/// could not travel.
struct VoidModelClosure<Model: Codable & Sendable>: PortableModelUpdate {
    let body: @Sendable (inout Model) throws -> Void

    func apply(to model: inout Model) throws { try body(&model) }
}

extension PortableModelUpdate {
    /// Runs the closure in a transaction.
    func run(
        _ defaults: [String: EncodedValue],
        on engine: any StateEngine,
        by origin: Origin
    ) async throws -> Result {
        try await engine.update(by: origin) { try ModelCoder.update(&$0, defaults, apply) }
    }

    /// Runs the closure in a transaction; gives the result's encoded form.
    func run(
        _ defaults: [String: EncodedValue],
        on engine: any StateEngine,
        by origin: Origin,
        once request: UpdateRequest?,
        system: ZProcSystem
    ) async throws -> [UInt8] {
        try await engine.update(by: origin, once: request) { draft in
            try encodeResult(try ModelCoder.update(&draft, defaults, apply), system)
        }
    }
}

/// The encoded form of an update's result, inside the transaction: when it cannot be encoded, nothing has changed.
private func encodeResult<Result>(_ result: Result, _ system: ZProcSystem) throws -> [UInt8] {
    if Result.self == Void.self { return [] }
    guard let codable = result as? any Codable else {
        throw CallError(.badResult, "the result of an update is a \(Result.self), which is not Codable")
    }
    return try system.encoder.encode(codable)
}
