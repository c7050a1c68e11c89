// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Goes through the history, one change after the other, with the state beside it.
struct ChangeWalker: Sendable {
    /// The state at the revision it has come to.
    private(set) var snapshot: Snapshot

    init(_ snapshot: Snapshot) { self.snapshot = snapshot }

    var revision: Revision { snapshot.revision }

    /// Takes the next change; nil for one that is not the next.
    mutating func step(_ record: ChangeRecord) -> Change? {
        guard record.revision == snapshot.revision.next else { return nil }
        let before = snapshot
        snapshot.apply(record)
        return Change(before: before, after: snapshot, record: record)
    }
}
