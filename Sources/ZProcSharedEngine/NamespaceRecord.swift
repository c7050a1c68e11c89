// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// What is known about a namespace beside its entries, as its newest change left it.
///
/// In the file it is the head of the block of changes that ends with that one: one thing less to write for each update.
/// An older block's is of the past.
struct NamespaceRecord {
    var revision: UInt64 = 0
    /// The revision that the newest block of changes begins with; 0 when there is none.
    var block: UInt64 = 0
    /// The revision before the oldest change that may be asked for.
    var oldest: UInt64 = 0
    /// The revision before the oldest change that is still in the file.
    var trimmed: UInt64 = 0
    /// The revision at which the namespace was made.
    var birth: UInt64 = 0
    var count: UInt64 = 0
    /// How long the changes in the file are together.
    var historyByteCount: UInt64 = 0

    var span: HistorySpan {
        HistorySpan(birth: Revision(birth), oldest: Revision(oldest), newest: Revision(revision))
    }

    /// Whether something has been written since the namespace was made.
    var exists: Bool { revision > birth }

    init() {}

    // MARK: The bytes: all but the revision and the block, which are known by the block's key, in this machine's order

    static let byteCount = 40

    /// Reads the head of a block; nil for bytes that have none.
    init?(_ head: UnsafeRawBufferPointer, revision: UInt64, block: UInt64) {
        guard head.count >= Self.byteCount else { return nil }
        func number(_ place: Int) -> UInt64 { head.loadUnaligned(fromByteOffset: 8 * place, as: UInt64.self) }
        (self.revision, self.block) = (revision, block)
        (oldest, trimmed, birth, count, historyByteCount) = (number(0), number(1), number(2), number(3), number(4))
        let isWhole = birth <= oldest && trimmed <= oldest && oldest <= revision && trimmed < block
        guard isWhole, revision < 1 << 62, count < 1 << 48, historyByteCount < 1 << 62 else { return nil }
    }

    func write(to head: UnsafeMutableRawBufferPointer) {
        let numbers = (oldest, trimmed, birth, count, historyByteCount)
        withUnsafeBytes(of: numbers) { head.copyMemory(from: $0) }
    }
}
