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
