// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import MessagePack
public import ZProcCore

extension SharedState {
    /// The state as it was at a revision.
    ///
    /// Cost: O(changes since then) where the state is shared directly.
    ///
    /// - Throws: ``StateError/Code/compacted``, with the oldest revision that is kept.
    public func snapshot(at revision: Revision) async throws -> Snapshot { try await access.snapshot(at: revision) }

    /// The values that a key has had, oldest first, as far back as the history goes.
    ///
    /// Cost: O(history).
    public func history(of key: String) async throws -> [PastValue] {
        try await access.history(of: key).compactMap { record in
            record.writes.first.map { PastValue(record, $0) }
        }
    }

    /// Makes the state what it was at a revision, as a new revision; nothing is rewritten.
    ///
    /// Cost: O(changes since then).
    ///
    /// - Throws: ``StateError/Code/compacted``, with the oldest revision that is kept; nothing has changed then.
    public func restore(to revision: Revision) async throws { try await access.restore(to: revision, by: origin) }
}

/// A value that a key was given.
public struct PastValue: Sendable {
    /// The revision that gave it.
    public let revision: Revision
    /// When, by the clock of the machine it was done on; for people.
    public let time: MessagePackTimestamp
    /// The handle it was done through.
    public let origin: Origin
    private let key: String
    private let encoded: EncodedValue?

    init(_ record: ChangeRecord, _ write: Write) {
        revision = record.revision
        let (seconds, microseconds) = record.time.quotientAndRemainder(dividingBy: 1_000_000)
        time = MessagePackTimestamp(seconds: seconds, nanoseconds: UInt32(max(0, microseconds)) * 1_000)
        origin = record.origin
        key = write.key
        encoded = write.after
    }

    /// The value; nil when the key was removed.
    public var value: Value? { encoded?.value }

    /// The value as a `type`; nil when the key was removed.
    ///
    /// - Throws: ``StateError/Code/typeMismatch`` when the value is no `T`.
    public func get<T: Decodable>(as type: T.Type = T.self) throws(StateError) -> T? {
        guard let encoded else { return nil }
        return try encoded.decode(T.self, for: key)
    }
}
