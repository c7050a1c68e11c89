// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import HashTreeCollections
package import MessagePack

/// Entries in the memory of this process.
///
/// Copies share what they have in common.
package typealias EntryTrie = TreeDictionary<EntryKey, EncodedValue>

/// The content of a namespace: values in their MessagePack form.
///
/// Either all of it is in a persistent hash trie, or it is a layer of newer entries over a store that is kept
/// elsewhere. Copies share what is equal; a change costs O(log n).
package struct Entries: Sendable {
    /// Nil while there is only what the store has: an empty one would be counted like any other with each copy.
    private var trie: EntryTrie?
    private var store: (any EntryStore)?
    /// Keys of the store that were removed, if any were.
    private var removed: TreeSet<EntryKey>?
    package private(set) var count: Int

    package init(_ trie: EntryTrie = EntryTrie()) {
        self.trie = trie
        count = trie.count
    }

    /// What a store holds.
    package init(_ store: any EntryStore, count: Int) {
        self.store = store
        self.count = count
    }

    package func value(of key: String) throws(StateError) -> EncodedValue? {
        // In an update of a store that is elsewhere nothing is above it, and then no key has to be hashed.
        if let value = trie?[EntryKey(key)] { return value }
        guard let store, removed?.contains(EntryKey(key)) != true else { return nil }
        return try store.value(of: key)
    }

    /// Visits each entry once, in no particular order.
    package func forEach(_ body: (String, EncodedValue) throws -> Void) throws {
        if let trie {
            for (key, value) in trie { try body(key.name, value) }
        }
        try store?.forEach { key, value in
            let entryKey = EntryKey(key)
            if trie?[entryKey] == nil, removed?.contains(entryKey) != true { try body(key, value) }
        }
    }

    /// Does what a transaction did.
    package mutating func apply(_ writes: [Write]) {
        for write in writes { change(write.key, from: write.before, to: write.after) }
    }

    /// Takes back what a transaction did.
    package mutating func revert(_ writes: [Write]) {
        for write in writes { change(write.key, from: write.after, to: write.before) }
    }

    private mutating func change(_ key: String, from old: EncodedValue?, to new: EncodedValue?) {
        count += (new == nil ? 0 : 1) - (old == nil ? 0 : 1)
        let entryKey = EntryKey(key)
        if trie == nil { trie = EntryTrie() }
        trie?[entryKey] = new
        guard new == nil, old != nil, let store else { return }
        // Only what the store has need be hidden; what cannot be read is hidden, too.
        if (try? store.value(of: key)) != .some(nil) {
            if removed == nil { removed = TreeSet() }
            removed?.insert(entryKey)
        }
    }
}
