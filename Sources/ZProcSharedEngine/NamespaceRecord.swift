// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// What is kept about a namespace beside its entries: 56 bytes, in this machine's order.
struct NamespaceRecord: BitwiseCopyable {
    var revision: UInt64 = 0
    /// The revision before the oldest change that may be asked for.
    var oldest: UInt64 = 0
    /// The revision before the oldest change that is still in the file.
    var trimmed: UInt64 = 0
    /// The revision at which the namespace was made.
    var birth: UInt64 = 0
    var count: UInt64 = 0
    /// How long the records of the changes after `oldest` are together.
    var historyByteCount: UInt64 = 0
    private var unused: UInt64 = 0

    var span: HistorySpan {
        HistorySpan(birth: Revision(birth), oldest: Revision(oldest), newest: Revision(revision))
    }

    /// Whether something has been written since the namespace was made.
    var exists: Bool { revision > birth }

    init() {}

    /// Reads a record; nil for bytes that are none.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == MemoryLayout<Self>.size else { return nil }
        self = bytes.loadUnaligned(as: Self.self)
        let isWhole = birth <= trimmed && trimmed <= oldest && oldest <= revision && revision < 1 << 62
        guard isWhole, count < 1 << 48 else { return nil }
    }
}
