// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import ZProcCore

/// A namespace that cannot be had; every operation says why.
struct UnavailableState: StateAccess {
    let error: StateError
    var lasts: Bool { false }

    func value(of key: String) async throws -> EncodedValue? { throw error }
    func contains(_ key: String) async throws -> Bool { throw error }
    func count() async throws -> Int { throw error }
    func keys() async throws -> [String] { throw error }
    func snapshot() async throws -> Snapshot { throw error }
    func revision() async throws -> Revision { throw error }
    func snapshot(at revision: Revision) async throws -> Snapshot { throw error }
    func history(of key: String) async throws -> [ChangeRecord] { throw error }
    func apply(_ operation: StateOperation, by origin: Origin) async throws -> [EncodedValue] { throw error }
    func restore(to revision: Revision, by origin: Origin) async throws { throw error }
    func drop(by origin: Origin) async throws { throw error }
    func home() throws -> StateHome { throw error }

    func update<Result: Sendable>(
        _ closure: UpdateClosure<Result>,
        by origin: Origin,
        at location: SourceLocation
    ) async throws -> Result { throw error }

    func merge<Value>(
        _ values: [String: EncodedValue],
        _ closure: MergeClosure<Value>,
        by origin: Origin,
        at location: SourceLocation
    ) async throws { throw error }

    func updateModel<Update: PortableModelUpdate>(
        _ closure: Update,
        _ defaults: [String: EncodedValue],
        by origin: Origin,
        at location: SourceLocation
    ) async throws -> Update.Result { throw error }

    var feed: ChangeFeed {
        let feed = ChangeFeed(EngineSource(MemoryEngine()))
        feed.end(error)
        return feed
    }
}
