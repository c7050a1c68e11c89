// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A key as the state tells keys apart: by its bytes in UTF-8.
///
/// Swift's strings are equal when people see no difference, however they are written; files and other languages
/// compare bytes.
package struct EntryKey: Hashable, Sendable, Codable, CodingKeyRepresentable {
    package let name: String

    package init(_ name: String) { self.name = name }

    package init?<T: CodingKey>(codingKey: T) { name = codingKey.stringValue }

    package var codingKey: any CodingKey { Coded(stringValue: name) }

    private struct Coded: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    package static func == (left: EntryKey, right: EntryKey) -> Bool {
        // The same small string, or the same storage: nearly always so where keys are equal. A string is two words, and
        // will be: the type is frozen.
        if unsafeBitCast(left.name, to: (UInt, UInt).self) == unsafeBitCast(right.name, to: (UInt, UInt).self) {
            return true
        }
        let left = left.name.utf8, right = right.name.utf8
        if left.count != right.count { return false }
        let isEqual = left.withContiguousStorageIfAvailable { left in
            right.withContiguousStorageIfAvailable { right in
                guard let start = left.baseAddress, let other = right.baseAddress else { return true }
                return memcmp(start, other, left.count) == 0
            }
        }
        return isEqual.flatMap(\.self) ?? left.elementsEqual(right)
    }

    package func hash(into hasher: inout Hasher) {
        let bytes = name.utf8
        if bytes.withContiguousStorageIfAvailable({ hasher.combine(bytes: UnsafeRawBufferPointer($0)) }) == nil {
            for byte in bytes { hasher.combine(byte) }
        }
    }
}
