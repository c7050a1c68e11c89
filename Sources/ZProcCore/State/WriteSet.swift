// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack

/// What a transaction has written, by key; the last write to a key counts, nil removes it.
///
/// Most transactions write one key: that one is kept without a dictionary, which would cost more than the rest.
struct WriteSet: Sendable {
    private var first: (key: String, value: EncodedValue?)?
    private var others: [String: EncodedValue?] = [:]

    var isEmpty: Bool { first == nil }

    /// What was written to `key`: nil for nothing, `.some(nil)` for a removal.
    subscript(key: String) -> EncodedValue?? {
        guard let first else { return nil }
        return first.key == key ? .some(first.value) : others.isEmpty ? nil : others[key]
    }

    mutating func write(_ value: EncodedValue?, to key: String) {
        if first == nil || first?.key == key {
            first = (key, value)
        } else {
            others[key] = .some(value)
        }
    }

    mutating func removeAll() { self = WriteSet() }

    func forEach(_ body: (String, EncodedValue?) -> Void) {
        guard let first else { return }
        body(first.key, first.value)
        for (key, value) in others { body(key, value) }
    }
}
