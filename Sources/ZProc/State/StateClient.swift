// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import ZProcCore

/// Asks the process that keeps the state.
struct StateClient: Sendable {
    let system: ZProcSystem
    let address: NodeAddress

    var encoder: MessagePackEncoder { system.encoder }

    func call(_ method: StateMethod, _ arguments: some Encodable) async throws -> [UInt8] {
        try await call(method, encoded: try encoder.encode(arguments))
    }

    func call<T: Decodable>(
        _ method: StateMethod,
        _ arguments: some Encodable,
        returning type: T.Type
    ) async throws -> T {
        try decode(await call(method, arguments), of: method, as: type)
    }

    func call<T: Decodable>(_ method: StateMethod, encoded: [UInt8], returning type: T.Type) async throws -> T {
        try decode(await call(method, encoded: encoded), of: method, as: type)
    }

    private func call(_ method: StateMethod, encoded: [UInt8]) async throws -> [UInt8] {
        try await system.call(StateService.name, method.rawValue, arguments: encoded, at: address)
    }

    /// Asks at once: the question is on its way, ahead of what the caller asks next, when this returns.
    func request<T: Decodable & Sendable>(
        _ method: StateMethod,
        _ arguments: some Encodable,
        returning type: T.Type
    ) -> Promise<T> {
        let promise = Promise<T>()
        do {
            let encoded = try encoder.encode(arguments)
            system.request(StateService.name, method.rawValue, arguments: encoded, at: address) { answer in
                promise.settle(Result { try decode(answer.get(), of: method, as: type) })
            }
        } catch {
            promise.settle(.failure(error))
        }
        return promise
    }

    private func decode<T: Decodable>(_ bytes: [UInt8], of method: StateMethod, as type: T.Type) throws -> T {
        do {
            return try system.replyDecoder.decode(type, from: bytes)
        } catch {
            throw StateError(.malformed, "the answer to state.\(method.rawValue) cannot be read: \(error)")
        }
    }
}
