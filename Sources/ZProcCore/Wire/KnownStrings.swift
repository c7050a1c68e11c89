// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MessagePack
internal import Synchronization

/// Strings that come again and again, each of which is made and checked once.
///
/// A few are kept, those that came last: to compare bytes with those takes a fraction of the time that making a string does.
package final class KnownStrings: Sendable {
    private struct State {
        var strings: [String] = []
        /// Where the next one goes when there is no room: what somebody made up does not stay.
        var next = 0
    }
    private let state = Mutex(State())

    /// So many are kept.
    private static let mostCount = 16
    /// None of fewer bytes, which needs no memory, and none of more.
    private static let byteCounts = 16...1_024

    package init() {}

    /// How many it knows.
    package var count: Int { state.withLock(\.strings.count) }

    /// The string of these bytes; nil when they are no UTF-8.
    package func string(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
        guard Self.byteCounts.contains(bytes.count), let start = bytes.baseAddress else {
            return String(checking: bytes)
        }
        let known = state.withLock { state -> String? in
            for string in state.strings where string.utf8.count == bytes.count {
                let isThis = string.utf8.withContiguousStorageIfAvailable { utf8 in
                    utf8.baseAddress.map { memcmp($0, start, utf8.count) == 0 }
                }
                if isThis == true { return string }
            }
            return nil
        }
        if let known { return known }
        guard let new = String(checking: bytes) else { return nil }
        state.withLock { state in
            if state.strings.count < Self.mostCount { return state.strings.append(new) }
            state.strings[state.next] = new
            state.next = (state.next + 1) % Self.mostCount
        }
        return new
    }
}
