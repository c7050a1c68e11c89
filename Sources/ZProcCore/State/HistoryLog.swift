// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// The past of a namespace: a run of changes without gaps, the oldest of which are forgotten.
package struct HistoryLog: Sendable {
    /// The oldest revision that can still be asked for: the one before the oldest change kept.
    package private(set) var oldest: Revision
    /// The newest revision.
    package private(set) var newest: Revision
    private var records: Deque<ChangeRecord> = []
    private var byteCount = 0
    private let limits: HistoryLimits

    package init(limits: HistoryLimits, after revision: Revision = .zero) {
        self.limits = limits
        oldest = revision
        newest = revision
    }

    /// Adds the change that comes next, and forgets what is beyond the limits then.
    package mutating func append(_ record: ChangeRecord) {
        records.append(record)
        newest = record.revision
        if limits.byteCount != nil { byteCount += record.byteCount }
        while records.count > limits.count { forgetOldest() }
        if let most = limits.byteCount {
            while byteCount > most, records.count > 1 { forgetOldest() }
        }
        if let age = limits.age {
            let end = record.time - age.microseconds
            while let first = records.first, first.time < end { forgetOldest() }
        }
    }

    /// The changes after a revision, at most `limit`, oldest first.
    ///
    /// - Throws: ``StateError/Code/compacted`` when some of them have been forgotten.
    package func records(after revision: Revision, limit: Int) throws(StateError) -> [ChangeRecord] {
        if revision < oldest { throw .compacted(revision, oldest: oldest) }
        guard revision < newest else { return [] }
        let start = records.startIndex + Int(revision.number - oldest.number)
        return Array(records[start..<min(start + limit, records.endIndex)])
    }

    private mutating func forgetOldest() {
        let record = records.removeFirst()
        oldest = record.revision
        if limits.byteCount != nil { byteCount -= record.byteCount }
    }
}

extension Duration {
    /// Whole microseconds, as far as they fit.
    package var microseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? (seconds < 0 ? .min : .max) / 4 : product / 1 + attoseconds / 1_000_000_000_000
    }
}
