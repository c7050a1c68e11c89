// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import ZProcCore

/// The pages of the file that an update can take at most.
struct PageDemand {
    var count: Int
    /// Whether each value fits into a page with others.
    var areSingle: Bool
    /// Whether the values are shorter afterwards.
    var makesRoom: Bool

    /// The demand of an update.
    ///
    /// - Parameters:
    ///   - writes: what it writes.
    ///   - byteCount: the length of its record in the history.
    ///   - lastPage: the number of the last page in use.
    init(_ writes: [Write], _ byteCount: Int, lastPage: Int) {
        // The way from a root to a leaf is copied for each key, but no page twice.
        let copied = min(writes.count * 8, lastPage)
        var values = 0, longest = byteCount, growth = 0
        for write in writes {
            let length = write.after?.bytes.count ?? 0
            values += length / 2048
            longest = max(longest, length)
            growth += length - (write.before?.bytes.count ?? 0) + (write.before == nil ? write.key.utf8.count : 0)
        }
        count = copied + values + byteCount / 2048 + Self.slack
        areSingle = longest < 1500
        makesRoom = growth < 0
    }

    /// The demand of dropping a namespace.
    init(droppingAmong lastPage: Int) {
        count = lastPage + Self.slack
        areSingle = true
        makesRoom = true
    }

    /// For the history that is trimmed, and LMDB's own lists.
    private static let slack = 96
}
