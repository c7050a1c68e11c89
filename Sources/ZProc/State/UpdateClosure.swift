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
    func run(on engine: any StateEngine, by origin: Origin, system: ZProcSystem) async throws -> [UInt8]
}

extension UpdateClosure: PortableUpdate {
    func run(on engine: any StateEngine, by origin: Origin, system: ZProcSystem) async throws -> [UInt8] {
        // The result is encoded inside the transaction: one that cannot be is an error, and nothing has changed.
        try await engine.update(by: origin) { draft in
            let result = try body(&draft)
            if result is Void { return [] }
            guard let codable = result as? any Codable else {
                throw CallError(.badResult, "the result of an update is a \(Result.self), which is not Codable")
            }
            return try system.encoder.encode(codable)
        }
    }
}

/// What `merge` makes of an old and a new value, on its way to the process that keeps the state.
struct MergeClosure<Value: Codable & Sendable>: ClosureHolder {
    let combine: @Sendable (Value, Value) throws -> Value
}

/// A merge whose type of values is known only to itself.
protocol PortableMerge: ClosureHolder {
    func run(_ values: [String: EncodedValue], on engine: any StateEngine, by origin: Origin) async throws
}

extension MergeClosure: PortableMerge {
    func run(_ values: [String: EncodedValue], on engine: any StateEngine, by origin: Origin) async throws {
        let combine = combine
        try await engine.update(by: origin) { draft in
            for (key, value) in values {
                guard let old = try draft.get(key, as: Value.self) else {
                    try draft.setEncoded(key, value)
                    continue
                }
                try draft.set(key, to: combine(old, value.decode(Value.self, for: key)))
            }
        }
    }
}
