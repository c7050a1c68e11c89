// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MessagePack
internal import Synchronization

/// Strings that come again and again, each of which is made and checked once.
///
/// The first few are kept: to compare bytes with those takes a fraction of the time that making a string does.
package final class KnownStrings: Sendable {
    private let strings = Mutex<[String]>([])

    /// So many are kept.
    private static let mostCount = 16
    /// None of fewer bytes, which needs no memory, and none of more.
    private static let byteCounts = 16...1_024

    package init() {}

    /// How many it knows.
    package var count: Int { strings.withLock(\.count) }

    /// The string of these bytes; nil when they are no UTF-8.
    package func string(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
        guard Self.byteCounts.contains(bytes.count), let start = bytes.baseAddress else {
            return String(checking: bytes)
        }
        return strings.withLock { strings in
            for string in strings where string.utf8.count == bytes.count {
                let isThis = string.utf8.withContiguousStorageIfAvailable { utf8 in
                    utf8.baseAddress.map { memcmp($0, start, utf8.count) == 0 }
                }
                if isThis == true { return string }
            }
            let new = String(checking: bytes)
            if let new, strings.count < Self.mostCount { strings.append(new) }
            return new
        }
    }
}
