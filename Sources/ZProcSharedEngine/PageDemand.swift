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

    /// The demand of an update, at most.
    ///
    /// - Parameters:
    ///   - writes: what it writes.
    ///   - byteCount: the length of a block of the history with its change, at most.
    ///   - answer: the length of an answer that is kept with it; nil for none.
    ///   - lastPage: the number of the last page in use.
    init(_ writes: [Write], _ byteCount: Int, answer: Int? = nil, lastPage: Int) {
        // The way from a root to a leaf is copied for each key, but no page twice; pages that are full are split.
        let copied = min(writes.count * 8, lastPage) + 2 * writes.count
        var values = Self.pages(byteCount), longest = byteCount, growth = 0
        let writes = writes.span
        for place in writes.indices {
            let length = writes[place].after?.bytes.count ?? 0
            values += Self.pages(length)
            longest = max(longest, length)
            growth += length - (writes[place].before?.bytes.count ?? 0)
            if writes[place].before == nil { growth += writes[place].key.utf8.count }
        }
        if let answer {
            let reply = ReplyBlock.mostByteCount(for: answer)
            // Far from the entries: the ways to their leaves are copied, too.
            values += Self.pages(reply) + Self.pages(ReplyBlock.mostByteCount) + 20 + Self.forgottenReplies
            longest = max(longest, reply)
            growth += answer + 32
        }
        // Each page copied is one to note as free.
        count = copied + values + copied / 500 + Self.slack
        areSingle = longest < 1500
        makesRoom = growth < 0
    }

    /// The demand of an update that comes after others in a transaction, and of these; trimming is once for all.
    func adding(_ next: PageDemand) -> PageDemand {
        var both = self
        both.count += next.count - Self.slack
        both.areSingle = areSingle && next.areSingle
        both.makesRoom = makesRoom && next.makesRoom
        return both
    }

    /// The demand of removing as many keys.
    init(removing keys: Int, lastPage: Int) {
        let copied = min(keys.multipliedReportingOverflow(by: 8).overflow ? lastPage : keys * 8, lastPage)
        count = copied + lastPage / 500 + Self.slack
        areSingle = true
        makesRoom = true
    }

    /// The demand of removing as many keys beside each other, each of which may have a page of its own.
    init(removingNeighbours keys: Int, lastPage: Int) {
        count = min(keys, lastPage) + lastPage / 500 + Self.slack
        areSingle = true
        makesRoom = true
    }

    /// The pages of a value alone in its pages, or of what lies beside another one.
    private static func pages(_ byteCount: Int) -> Int { (byteCount + 16 + 4095) / 4096 }

    /// How many blocks of answers that have arrived an update that keeps one forgets at most.
    static let forgottenReplies = 8

    /// For the history that is trimmed, and LMDB's own lists.
    private static let slack = 96
}
