// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import MessagePack

/// One committed transaction, as a watcher sees it.
///
/// Cheap to copy; the snapshots share what is equal.
public struct Change: Sendable {
    fileprivate final class Storage: Sendable {
        let before: Snapshot
        let after: Snapshot
        let record: ChangeRecord
        let isReset: Bool

        init(before: Snapshot, after: Snapshot, record: ChangeRecord, isReset: Bool) {
            self.before = before
            self.after = after
            self.record = record
            self.isReset = isReset
        }
    }

    fileprivate let storage: Storage
    var record: ChangeRecord { storage.record }
    /// The revision it made.
    ///
    /// A watch can be resumed from here.
    public let revision: Revision

    init(before: Snapshot, after: Snapshot, record: ChangeRecord, isReset: Bool = false) {
        storage = Storage(before: before, after: after, record: record, isReset: isReset)
        revision = record.revision
    }

    /// Stands for changes that have been forgotten: from here the watch goes on.
    static func reset(to snapshot: Snapshot) -> Change {
        let record = ChangeRecord(revision: snapshot.revision, time: 0, origin: Origin(number: 0), writes: [])
        return Change(before: snapshot, after: snapshot, record: record, isReset: true)
    }

    /// The state before it.
    public var before: Snapshot { storage.before }

    /// The state it made.
    public var after: Snapshot { storage.after }

    /// The keys whose values changed, in the order they were first written.
    ///
    /// In a transaction that changed nothing: the keys that were written.
    public var keys: [String] {
        let changed = storage.record.writes.filter { $0.before != $0.after }
        return (changed.isEmpty ? storage.record.writes : changed).map(\.key)
    }

    /// When it was committed, by the clock of the machine it was committed on; to a few milliseconds.
    ///
    /// For people: only revisions tell what came first.
    public var time: MessagePackTimestamp {
        let (seconds, microseconds) = storage.record.time.quotientAndRemainder(dividingBy: 1_000_000)
        return MessagePackTimestamp(seconds: seconds, nanoseconds: UInt32(max(0, microseconds)) * 1_000)
    }

    /// The handle it was made through.
    public var origin: Origin { storage.record.origin }

    /// Whether every value written was the one that was there already.
    public var isIdentical: Bool { storage.record.isIdentical && !isReset }

    /// Whether this stands for changes that have been forgotten, in a watch that is live or has ``CompactionPolicy/reset``.
    ///
    /// Then `before` and `after` are the state to go on from, and `keys` is empty.
    public var isReset: Bool { storage.isReset }
}

/// The newest change that was delivered, if somebody still has it.
///
/// Whoever goes on from its snapshot shares with it what is equal, instead of asking the engine for another one.
struct ChangeAnchor: Sendable {
    private weak let storage: Change.Storage?

    init(_ change: Change) { storage = change.storage }

    var snapshot: Snapshot? { storage?.after }
}

extension ChangeRecord {
    var isIdentical: Bool { writes.allSatisfy { $0.before == $0.after } }
}

extension Change: CustomStringConvertible {
    /// One line: the revision and each key with its values before and after.
    public var description: String {
        let writes = keys.map { "\($0): \(value($0, in: before)) → \(value($0, in: after))" }
        return "revision \(revision)\(isReset ? ", reset" : ""): \(writes.joined(separator: ", "))"
    }

    private func value(_ key: String, in snapshot: Snapshot) -> String { snapshot[key]?.description ?? "none" }
}
