// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import ZProcCore

/// Asks the process that keeps the state.
struct StateClient: Sendable {
    let system: ZProcSystem
    let address: NodeAddress

    var encoder: MessagePackEncoder { system.encoder }

    func call(_ method: StateMethod, _ arguments: some Encodable) async throws -> ArraySlice<UInt8> {
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

    /// The same for answers of values.
    func values(_ method: StateMethod, encoded: [UInt8]) async throws -> [EncodedValue] {
        let answer = try await call(method, encoded: encoded)
        return try StateArguments.values(ofAnswer: answer) ?? decode(answer, of: method, as: [EncodedValue].self)
    }

    /// The hub that keeps the state; nil when it is this context's own root that does.
    var hub: HubClient? { address.node == .any ? system.hubs.client(at: address.endpoint) : nil }

    func call(_ method: StateMethod, encoded: [UInt8]) async throws -> ArraySlice<UInt8> {
        if let hub {
            let isChange = method.role > .reader
            return try await hub.call(StateService.name, method.rawValue, arguments: encoded, isChange: isChange)
        }
        return try await system.call(StateService.name, method.rawValue, arguments: encoded, at: address)
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
                if hub != nil, case .failure(let error as TransportError) = answer,
                    error.code == .unreachable || error.code == .peerGone
                {
                    return ask(again: method, encoded, promise)
                }
                promise.settle(Result { try decode(answer.get(), of: method, as: type) })
            }
        } catch {
            promise.settle(.failure(error))
        }
        return promise
    }

    /// Asks a hub that was away when it was asked first.
    private func ask<T: Decodable & Sendable>(
        again method: StateMethod,
        _ encoded: [UInt8],
        _ promise: Promise<T>
    ) {
        Task(executorPreference: system.node.taskExecutor) {
            do {
                promise.settle(.success(try await call(method, encoded: encoded, returning: T.self)))
            } catch {
                promise.settle(.failure(error))
            }
        }
    }

    private func decode<T: Decodable>(_ bytes: ArraySlice<UInt8>, of method: StateMethod, as type: T.Type) throws -> T {
        do {
            return try system.replyDecoder.decode(type, from: bytes)
        } catch {
            throw StateError(.malformed, "the answer to state.\(method.rawValue) cannot be read: \(error)")
        }
    }
}
