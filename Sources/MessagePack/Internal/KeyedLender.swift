// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack
internal import Synchronization

// For each keyed container the standard library makes an object, whose type depends on the type of keys, and which
// unspecialised code looks up in the runtime's tables each time. That is several times as dear as what there is to do
// for a map of a few fields. So a container is kept, and lent again when nobody else has it any more.

/// Lends the keyed containers of one type of keys.
///
/// There is one for each type of keys, for ever. That its own type has the container's as a parameter spares a look-up.
final class KeyedLender<Container> {
    /// Of the shelf that each state has for this type of keys.
    fileprivate let number: Int
    private let makeContainer: (OpenMap.Pointer) -> Container

    fileprivate init(number: Int, makeContainer: @escaping (OpenMap.Pointer) -> Container) {
        self.number = number
        self.makeContainer = makeContainer
    }

    /// A map with a container that reads it.
    @inline(never)
    fileprivate func makeMap(_ core: DecodingCore) -> OpenMap.Pointer {
        let map = OpenMap.make(core)
        map.keep(makeContainer(map))
        core.addMap(map, number)
        return map
    }

    @inline(__always)
    fileprivate func container(of map: OpenMap.Pointer) -> Container { map.container(Container.self) }
}

/// How many lenders have been made.
private let lenderCount = Atomic<Int>(0)
/// As many as the table of lenders has room for.
private let mostLenders = 1024

extension DecodingCore {
    func keyedContainer<Key: CodingKey>(
        at cursor: cmsgpack_cursor,
        node: UInt32
    ) throws(MessagePackError) -> KeyedDecodingContainer<Key> {
        let key = unsafeBitCast(Key.self, to: UnsafeRawPointer.self)
        guard !pointee.isKept, let found = cmsgpack_find_reader(key) ?? addLender(Key.self, key) else {
            return try owningContainer(at: cursor, node: node)
        }
        // The table holds nothing but these lenders, for ever.
        let lender = Unmanaged<KeyedLender<KeyedDecodingContainer<Key>>>.fromOpaque(found)
        let map =
            takeMap(lender._withUnsafeGuaranteedRef { $0.number })
            ?? lender._withUnsafeGuaranteedRef { $0.makeMap(self) }
        try map.read(at: cursor, node: node)
        return lender._withUnsafeGuaranteedRef { $0.container(of: map) }
    }

    /// A container that holds what it reads: where the state is kept, or there is no lender for the type of keys.
    @inline(never)
    private func owningContainer<Key: CodingKey>(
        at cursor: cmsgpack_cursor,
        node: UInt32
    ) throws(MessagePackError) -> KeyedDecodingContainer<Key> {
        let owner = MapOwner(pointee.state)
        try owner.map.read(at: cursor, node: node)
        return KeyedDecodingContainer(OwningReader(owner: owner))
    }

    @inline(never)
    private func addLender<Key: CodingKey>(_ type: Key.Type, _ key: UnsafeRawPointer) -> UnsafeMutableRawPointer? {
        guard OpenMap.Pointer.canKeep(KeyedDecodingContainer<Key>.self), cmsgpack_has_room_for_reader(key),
            lenderCount.load(ordering: .relaxed) < mostLenders
        else { return nil }
        let lender = KeyedLender(number: lenderCount.add(1, ordering: .relaxed).oldValue) {
            KeyedDecodingContainer(LentReader<Key>(map: $0))
        }
        return keepForever(lender, key, cmsgpack_add_reader)
    }
}

/// Holds a map and the state it belongs to.
final class MapOwner {
    let map: OpenMap.Pointer
    private let state: DecodingState

    init(_ state: DecodingState) {
        self.state = state
        map = OpenMap.make(state.core)
    }

    deinit { map.destroy() }
}
