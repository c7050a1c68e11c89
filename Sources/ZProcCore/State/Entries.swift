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
    private struct Base: Sendable {
        let store: any EntryStore
        /// Keys of the store that were removed.
        var removed = TreeSet<EntryKey>()
    }

    private var trie: EntryTrie
    private var base: Base?
    package private(set) var count: Int

    package init(_ trie: EntryTrie = EntryTrie()) {
        self.trie = trie
        count = trie.count
    }

    /// What a store holds.
    package init(_ store: any EntryStore, count: Int) {
        trie = EntryTrie()
        base = Base(store: store)
        self.count = count
    }

    package func value(of key: String) throws(StateError) -> EncodedValue? {
        // In an update of a store that is elsewhere nothing is above it, and then no key has to be hashed.
        if !trie.isEmpty, let value = trie[EntryKey(key)] { return value }
        guard let base, base.removed.isEmpty || !base.removed.contains(EntryKey(key)) else { return nil }
        return try base.store.value(of: key)
    }

    /// Visits each entry once, in no particular order.
    package func forEach(_ body: (String, EncodedValue) throws -> Void) throws {
        for (key, value) in trie { try body(key.name, value) }
        guard let base else { return }
        try base.store.forEach { key, value in
            let entryKey = EntryKey(key)
            if trie[entryKey] == nil, !base.removed.contains(entryKey) { try body(key, value) }
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
        trie[entryKey] = new
        guard new == nil, old != nil, let store = base?.store else { return }
        // Only what the store has need be hidden; what cannot be read is hidden, too.
        if (try? store.value(of: key)) != .some(nil) { base?.removed.insert(entryKey) }
    }
}
