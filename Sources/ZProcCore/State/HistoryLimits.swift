// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// How much of a namespace's past is kept; what is beyond any of the limits is forgotten.
///
/// Past changes are what watchers read that are behind, and what `snapshot(at:)`, `history(of:)` and `restore(to:)` work
/// from.
public struct HistoryLimits: Hashable, Sendable {
    /// The most changes that are kept, at least 1.
    public var count: Int { didSet { count = max(1, count) } }
    /// How long a change is kept, or nil for as long as the other limits allow.
    ///
    /// Looked at when something is committed.
    public var age: Duration? { didSet { age = age.map { max(.zero, $0) } } }
    /// The most bytes that keys and values of kept changes take, before and after counted both; nil for any number.
    ///
    /// The newest change is kept whatever its size, and so are some bytes for each change; in shared memory small ones are
    /// forgotten some at a time, and a limit below 1,336 counts as that.
    public var byteCount: Int? { didSet { byteCount = byteCount.map { max(0, $0) } } }

    /// Makes limits.
    ///
    /// - Parameters:
    ///   - count: the most changes that are kept, at least 1.
    ///   - age: how long a change is kept.
    ///   - byteCount: the most bytes; 256 MiB if nothing else is said.
    public init(count: Int = 10_000, age: Duration? = nil, byteCount: Int? = 256 << 20) {
        self.count = max(1, count)
        self.age = age.map { max(.zero, $0) }
        self.byteCount = byteCount.map { max(0, $0) }
    }
}
