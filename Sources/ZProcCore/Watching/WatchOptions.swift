// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What a watch does with changes its consumer has not asked for yet.
public enum WatchMode: Hashable, Sendable, Codable {
    /// Delivers every change, however slow the consumer is, as far back as the history goes.
    case buffered
    /// Skips to the newest change when the consumer is slow.
    ///
    /// It never ends because changes were forgotten: it goes on as ``CompactionPolicy/reset`` does.
    case live
}

/// Where a watch begins.
public enum WatchStart: Hashable, Sendable, Codable {
    /// With the first change after the watch was made.
    case now
    /// With the first change of the namespace.
    case beginning
    /// With the first change after this revision, such as that of the last change seen.
    case revision(Revision)
}

/// Whose changes a watch delivers.
public enum ChangeOrigins: Hashable, Sendable, Codable {
    /// Everybody's.
    case all
    /// All but those made through the handle that watches, and its copies wherever they travelled.
    ///
    /// `fork()` gives a handle that counts as another.
    case others
}

/// What a watch does when changes it has not delivered have been forgotten.
public enum CompactionPolicy: Hashable, Sendable, Codable {
    /// Ends with ``StateError/Code/compacted``, which says how far back one can go.
    case fail
    /// Delivers one ``Change`` whose `isReset` is true, with the newest state, and goes on from there.
    case reset
}

/// Which changes a watch delivers.
package struct WatchFilter: Sendable {
    package enum Keys: Sendable {
        case all
        case only(Set<EntryKey>)
        case except(Set<EntryKey>)
    }
    package var keys: Keys
    /// Changes of this origin are hidden.
    package var hiddenOrigin: Origin?
    package var includesIdentical: Bool

    package init(keys: Keys, hiddenOrigin: Origin?, includesIdentical: Bool) {
        self.keys = keys
        self.hiddenOrigin = hiddenOrigin
        self.includesIdentical = includesIdentical
    }

    func matches(_ record: ChangeRecord) -> Bool {
        if let hiddenOrigin, record.origin == hiddenOrigin { return false }
        return record.writes.contains { write in
            if !includesIdentical, write.before == write.after { return false }
            return switch keys {
            case .all: true
            case .only(let keys): keys.contains(EntryKey(write.key))
            case .except(let keys): !keys.contains(EntryKey(write.key))
            }
        }
    }
}
