// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack

/// What a transaction has written: one ``Write`` for each key, in the order of the first writes.
///
/// Most transactions write a key or two; those are found by looking, because a dictionary would cost more than the rest.
struct WriteSet: Sendable {
    private(set) var writes: [Write] = []
    /// Places in `writes`, once there are many.
    private var places: [EntryKey: Int] = [:]
    private static let few = 8

    var isEmpty: Bool { writes.isEmpty }

    func place(of key: String) -> Int? {
        let key = EntryKey(key)
        if writes.count > Self.few { return places[key] }
        return writes.firstIndex { EntryKey($0.key) == key }
    }

    /// Gives a key that has been written another value; whether it had one.
    mutating func replace(_ place: Int, _ value: consuming EncodedValue?) -> Bool {
        let hadValue = writes[place].after != nil
        writes[place].after = value
        return hadValue
    }

    /// Enters a key that has not been written yet.
    mutating func append(_ write: consuming Write) {
        writes.append(write)
        if writes.count == Self.few + 1 {
            for (place, write) in writes.enumerated() { places[EntryKey(write.key)] = place }
        } else if writes.count > Self.few {
            places[EntryKey(writes[writes.count - 1].key)] = writes.count - 1
        }
    }
}
