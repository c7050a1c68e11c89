// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import ZProcCore

/// How a handle gets at its namespace: directly, or by messages to the process that keeps it.
protocol StateAccess: Sendable {
    /// The namespace's engine, if this process has it: what is done often asks it without a detour.
    var localEngine: (any StateEngine)? { get }
    /// Whether another one, made later, would be the same.
    var lasts: Bool { get }
    func value(of key: String) async throws -> EncodedValue?
    func contains(_ key: String) async throws -> Bool
    func count() async throws -> Int
    func keys() async throws -> [String]
    func snapshot() async throws -> Snapshot
    func revision() async throws -> Revision
    func snapshot(at revision: Revision) async throws -> Snapshot
    func history(of key: String) async throws -> [ChangeRecord]
    func apply(_ operation: StateOperation, by origin: Origin) async throws -> [EncodedValue]
    func restore(to revision: Revision, by origin: Origin) async throws
    func drop(by origin: Origin) async throws
    func update<Result: Sendable>(
        _ closure: UpdateClosure<Result>,
        by origin: Origin,
        at location: SourceLocation
    ) async throws -> Result
    func merge<Value>(
        _ values: [String: EncodedValue],
        _ closure: MergeClosure<Value>,
        by origin: Origin,
        at location: SourceLocation
    ) async throws
    func updateModel<Update: PortableModelUpdate>(
        _ closure: Update,
        _ defaults: [String: EncodedValue],
        by origin: Origin,
        at location: SourceLocation
    ) async throws -> Update.Result
    /// The changes of the namespace, for all watches of this process.
    var feed: ChangeFeed { get }
    /// Where the namespace lives, for other processes.
    func home() throws -> StateHome
}

extension StateAccess {
    var localEngine: (any StateEngine)? { nil }
}

/// A namespace whose engine this process has: it lives here, or in memory that processes share.
struct LocalState: StateAccess {
    let engine: any StateEngine
    var localEngine: (any StateEngine)? { engine }
    var lasts: Bool { true }
    let feed: ChangeFeed
    let place: @Sendable () throws -> StateHome

    func value(of key: String) async throws -> EncodedValue? { try engine.value(of: key) }
    func contains(_ key: String) async throws -> Bool { try engine.value(of: key) != nil }
    func count() async throws -> Int { try engine.count() }
    func keys() async throws -> [String] { try engine.snapshot().keys }
    func snapshot() async throws -> Snapshot { try engine.snapshot() }
    func revision() async throws -> Revision { try engine.span().newest }
    func snapshot(at revision: Revision) async throws -> Snapshot { try engine.snapshot(at: revision) }
    func history(of key: String) async throws -> [ChangeRecord] { try engine.history(of: key) }

    func apply(_ operation: StateOperation, by origin: Origin) async throws -> [EncodedValue] {
        try await engine.apply(operation, by: origin)
    }

    func restore(to revision: Revision, by origin: Origin) async throws {
        try await engine.restore(to: revision, by: origin)
    }

    func drop(by origin: Origin) async throws { try await engine.drop(by: origin) }

    func update<Result: Sendable>(
        _ closure: UpdateClosure<Result>,
        by origin: Origin,
        at location: SourceLocation
    ) async throws -> Result {
        try await engine.update(by: origin, closure.body)
    }

    func merge<Value>(
        _ values: [String: EncodedValue],
        _ closure: MergeClosure<Value>,
        by origin: Origin,
        at location: SourceLocation
    ) async throws {
        try await closure.run(values, on: engine, by: origin, once: nil)
    }

    func updateModel<Update: PortableModelUpdate>(
        _ closure: Update,
        _ defaults: [String: EncodedValue],
        by origin: Origin,
        at location: SourceLocation
    ) async throws -> Update.Result {
        try await closure.run(defaults, on: engine, by: origin)
    }

    func home() throws -> StateHome { try place() }
}

/// A namespace that lives in another process.
struct RemoteState: StateAccess {
    let namespace: String
    let place: StateHome
    let feed: ChangeFeed
    private let client: StateClient
    /// A file that cannot be mapped now may be later.
    var lasts: Bool { place.store == nil }

    init(namespace: String, place: StateHome, feed: ChangeFeed, client: StateClient) {
        self.namespace = namespace
        self.place = place
        self.feed = feed
        self.client = client
    }

    func value(of key: String) async throws -> EncodedValue? {
        try await client.values(.get, encoded: StateArguments.encoded(namespace, key: key)).first
    }

    func contains(_ key: String) async throws -> Bool {
        try await client.call(.contains, encoded: StateArguments.encoded(namespace, key: key), returning: Bool.self)
    }

    func count() async throws -> Int {
        try await client.call(.count, ArgumentList(namespace), returning: Int.self)
    }

    func keys() async throws -> [String] {
        try await client.call(.keys, ArgumentList(namespace), returning: [String].self)
    }

    func snapshot() async throws -> Snapshot {
        try await client.call(.snapshot, ArgumentList(namespace), returning: Snapshot.self)
    }

    func revision() async throws -> Revision {
        try await client.call(.span, ArgumentList(namespace), returning: HistorySpan.self).newest
    }

    func snapshot(at revision: Revision) async throws -> Snapshot {
        try await client.call(.snapshotAt, ArgumentList(namespace, revision), returning: Snapshot.self)
    }

    func history(of key: String) async throws -> [ChangeRecord] {
        try await client.call(.history, ArgumentList(namespace, key), returning: [ChangeRecord].self)
    }

    func apply(_ operation: StateOperation, by origin: Origin) async throws -> [EncodedValue] {
        let arguments = try operation.encoded(for: namespace, by: origin, with: client.encoder)
        return try await client.values(operation.method, encoded: arguments)
    }

    func restore(to revision: Revision, by origin: Origin) async throws {
        _ = try await client.call(.restore, ArgumentList(namespace, origin, revision))
    }

    func drop(by origin: Origin) async throws {
        _ = try await client.call(.drop, ArgumentList(namespace, origin))
    }

    func update<Result: Sendable>(
        _ closure: UpdateClosure<Result>,
        by origin: Origin,
        at location: SourceLocation
    ) async throws -> Result {
        let travelling = PortableClosure(closure, fileID: location.fileID, line: location.line)
        let arguments = StateArguments.encoded(namespace, by: origin, value: try client.system.encode(travelling))
        return try result(of: await client.call(.update, encoded: arguments))
    }

    private func result<Result>(of bytes: ArraySlice<UInt8>) throws -> Result {
        if Result.self == Void.self { return unsafeBitCast((), to: Result.self) }
        guard let type = Result.self as? any Codable.Type,
            let result = try client.system.decoder.decode(type, from: bytes) as? Result
        else { throw CallError(.badResult, "the result of an update is no \(Result.self)") }
        return result
    }

    func updateModel<Update: PortableModelUpdate>(
        _ closure: Update,
        _ defaults: [String: EncodedValue],
        by origin: Origin,
        at location: SourceLocation
    ) async throws -> Update.Result {
        let travelling = PortableClosure(closure, fileID: location.fileID, line: location.line)
        return try result(
            of: await client.call(
                .updateModel,
                ArgumentList(namespace, origin, defaults, try client.system.encode(travelling))
            )
        )
    }

    func merge<Value>(
        _ values: [String: EncodedValue],
        _ closure: MergeClosure<Value>,
        by origin: Origin,
        at location: SourceLocation
    ) async throws {
        let travelling = PortableClosure(closure, fileID: location.fileID, line: location.line)
        let arguments = ArgumentList(namespace, origin, values, try client.system.encode(travelling))
        _ = try await client.call(.mergeWith, arguments)
    }

    func home() throws -> StateHome { place }
}

/// The changes of a namespace that lives in another process.
struct RemoteSource: ChangeSource {
    let namespace: String
    let client: StateClient

    var isFar: Bool { true }
    // Not the transport's: a body may take all of its threads, and its watches go on.
    var taskExecutor: (any TaskExecutor)? { nil }

    func requestSnapshot() -> Promise<Snapshot> {
        client.request(.snapshot, ArgumentList(namespace), returning: Snapshot.self)
    }

    func requestSpan() -> Promise<HistorySpan> {
        client.request(.span, ArgumentList(namespace), returning: HistorySpan.self)
    }

    func snapshot(at revision: Revision) async throws -> Snapshot {
        try await client.call(.snapshotAt, ArgumentList(namespace, revision), returning: Snapshot.self)
    }

    func records(after revision: Revision, limit: Int) async throws -> [ChangeRecord] {
        try await client.call(.records, ArgumentList(namespace, revision, limit), returning: [ChangeRecord].self)
    }

    func nextRecords(after revision: Revision, limit: Int) async throws -> (records: [ChangeRecord], hasWaited: Bool) {
        while true {
            let before = client.hub?.node
            let records = try await client.call(
                .nextRecords,
                ArgumentList(namespace, revision, limit),
                returning: [ChangeRecord].self
            )
            if !records.isEmpty { return (records, true) }
            // A hub that has been started anew may have lost what this watch has seen.
            if let before, client.hub?.node != before {
                let span = try await client.call(.span, ArgumentList(namespace), returning: HistorySpan.self)
                if span.newest < revision {
                    throw StateError(
                        .unavailable,
                        "the hub was started anew and keeps no changes up to \(revision); watch again from now"
                    )
                }
            }
        }
    }
}
