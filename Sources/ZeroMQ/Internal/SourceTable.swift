// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What a loop waits for, by key.
///
/// Sorted, since keys are given in ascending order: nearly always a new one comes last, and one that is looked for is
/// found by halving. A dictionary would have each new process look for the conformance of its keys first.
package struct SourceTable {
    private var entries: [(key: UInt64, source: any LoopSource)] = []

    package init() {}

    package subscript(key: UInt64) -> (any LoopSource)? {
        let index = place(of: key)
        return index < entries.count && entries[index].key == key ? entries[index].source : nil
    }

    /// Adds one; one that is there already stays.
    package mutating func insert(_ source: any LoopSource) {
        let key = source.key
        if let last = entries.last, last.key >= key {
            let index = place(of: key)
            if entries[index].key != key { entries.insert((key, source), at: index) }
        } else {
            entries.append((key, source))
        }
    }

    package mutating func remove(_ key: UInt64) {
        let index = place(of: key)
        if index < entries.count, entries[index].key == key { entries.remove(at: index) }
    }

    /// Where a key is, or would be.
    private func place(of key: UInt64) -> Int {
        var low = 0, high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
