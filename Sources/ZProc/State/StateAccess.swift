// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import ZProcCore

/// How a handle gets at its namespace: directly, or by messages to the process that keeps it.
protocol StateAccess: Sendable {
    func get(_ key: String) async throws -> EncodedValue?
    func set(_ key: String, to value: EncodedValue) async throws
    func remove(_ key: String) async throws -> EncodedValue?
    func contains(_ key: String) async throws -> Bool
    func count() async throws -> Int
    func keys() async throws -> [String]
    func merge(_ values: [String: EncodedValue]) async throws
    func snapshot() async throws -> Snapshot
    func clear() async throws
    func update<Result: Sendable>(_ closure: UpdateClosure<Result>, at location: SourceLocation) async throws -> Result
    /// Where the namespace lives, for other processes.
    func address() throws -> NodeAddress
}

/// A namespace that lives in this process.
struct LocalState: StateAccess {
    let engine: any StateEngine
    let node: Node

    func get(_ key: String) async throws -> EncodedValue? { engine.snapshot().encoded(key) }
    func contains(_ key: String) async throws -> Bool { engine.snapshot().contains(key) }
    func count() async throws -> Int { engine.snapshot().count }
    func keys() async throws -> [String] { engine.snapshot().keys }
    func snapshot() async throws -> Snapshot { engine.snapshot() }

    func set(_ key: String, to value: EncodedValue) async throws {
        try await engine.update { $0[encoded: key] = value }
    }

    func remove(_ key: String) async throws -> EncodedValue? {
        try await engine.update { draft in
            let value = draft[encoded: key]
            draft[encoded: key] = nil
            return value
        }
    }

    func merge(_ values: [String: EncodedValue]) async throws {
        try await engine.update { draft in
            for (key, value) in values { draft[encoded: key] = value }
        }
    }

    func clear() async throws { try await engine.update { $0.removeAll() } }

    func update<Result: Sendable>(_ closure: UpdateClosure<Result>, at location: SourceLocation) async throws -> Result
    {
        try await engine.update(closure.body)
    }

    func address() throws -> NodeAddress { try node.address() }
}

/// A namespace that lives in another process.
struct RemoteState: StateAccess {
    let namespace: String
    let home: NodeAddress
    let system: ZProcSystem

    func get(_ key: String) async throws -> EncodedValue? {
        try await call(.get, StateRequest(namespace, key), returning: [EncodedValue].self).first
    }

    func set(_ key: String, to value: EncodedValue) async throws {
        _ = try await call(.set, StateEntry(namespace, key, value))
    }

    func remove(_ key: String) async throws -> EncodedValue? {
        try await call(.remove, StateRequest(namespace, key), returning: [EncodedValue].self).first
    }

    func contains(_ key: String) async throws -> Bool {
        try await call(.contains, StateRequest(namespace, key), returning: Bool.self)
    }

    func count() async throws -> Int { try await call(.count, [namespace], returning: Int.self) }
    func keys() async throws -> [String] { try await call(.keys, [namespace], returning: [String].self) }
    func snapshot() async throws -> Snapshot { try await call(.snapshot, [namespace], returning: Snapshot.self) }
    func clear() async throws { _ = try await call(.clear, [namespace]) }

    func merge(_ values: [String: EncodedValue]) async throws {
        _ = try await call(.merge, StateRequest(namespace, values))
    }

    func update<Result: Sendable>(_ closure: UpdateClosure<Result>, at location: SourceLocation) async throws -> Result
    {
        let travelling = PortableClosure(closure, fileID: location.fileID, line: location.line)
        let bytes = try await call(.update, StateRequest(namespace, travelling))
        if let nothing = () as? Result { return nothing }
        guard let type = Result.self as? any Codable.Type,
            let result = try system.decoder.decode(type, from: bytes) as? Result
        else { throw CallError(.badResult, "the result of an update is no \(Result.self)") }
        return result
    }

    func address() throws -> NodeAddress { home }

    private func call(_ method: StateMethod, _ arguments: some Encodable) async throws -> [UInt8] {
        try await system.call(
            StateService.name,
            method.rawValue,
            arguments: try system.encoder.encode(arguments),
            at: home
        )
    }

    private func call<T: Decodable>(
        _ method: StateMethod,
        _ arguments: some Encodable,
        returning type: T.Type
    ) async throws -> T {
        let answer = try await call(method, arguments)
        do {
            return try system.decoder.decode(type, from: answer)
        } catch {
            throw StateError(.malformed, "the answer to state.\(method.rawValue) cannot be read: \(error)")
        }
    }
}
