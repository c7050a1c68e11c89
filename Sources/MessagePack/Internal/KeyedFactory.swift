// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

// Each keyed container is a generic type of its own for each type of keys, and unspecialised code looks such a type up
// in the runtime's tables each time it makes one: twice as dear as making the container. An object whose own type has
// the container's as a parameter carries what was looked up, so one such object is kept for each type of keys.

/// A keyed encoding container that an encoding state can make.
protocol KeyedWriting: KeyedEncodingContainerProtocol {
    init(state: EncodingState, frame: FrameHandle)
}

/// Makes the writers for one type of keys.
class KeyedWriterFactory<Key: CodingKey> {
    func make(_ state: EncodingState, _ frame: FrameHandle) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(KeyedWriter<Key>(state: state, frame: frame))
    }
}

private final class KnownKeyedWriterFactory<Key, Container: KeyedWriting>: KeyedWriterFactory<Key>
where Container.Key == Key {
    override func make(_ state: EncodingState, _ frame: FrameHandle) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(Container(state: state, frame: frame))
    }
}

extension EncodingState {
    func keyedContainer<Key: CodingKey>(_ frame: FrameHandle) -> KeyedEncodingContainer<Key> {
        let key = unsafeBitCast(Key.self, to: UnsafeRawPointer.self)
        // The table of writers holds nothing but these factories, for ever.
        let kept =
            cmsgpack_cache_find(cmsgpack_writer_cache(), key)
            ?? keep(cmsgpack_writer_cache(), key) {
                KnownKeyedWriterFactory<Key, KeyedWriter<Key>>()
            }
        guard let kept else { return KeyedEncodingContainer(KeyedWriter<Key>(state: self, frame: frame)) }
        return Unmanaged<KeyedWriterFactory<Key>>.fromOpaque(kept)._withUnsafeGuaranteedRef { $0.make(self, frame) }
    }
}

/// A keyed decoding container that a decoding state can make.
protocol KeyedReading: KeyedDecodingContainerProtocol {
    init(state: DecodingState, node: UInt32, map: MapPairs)
}

/// Makes the readers for one type of keys.
class KeyedReaderFactory<Key: CodingKey> {
    func make(_ state: DecodingState, _ node: UInt32, _ map: MapPairs) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(KeyedReader<Key>(state: state, node: node, map: map))
    }
}

private final class KnownKeyedReaderFactory<Key, Container: KeyedReading>: KeyedReaderFactory<Key>
where Container.Key == Key {
    override func make(_ state: DecodingState, _ node: UInt32, _ map: MapPairs) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Container(state: state, node: node, map: map))
    }
}

extension DecodingState {
    func keyedContainer<Key: CodingKey>(
        at cursor: cmsgpack_cursor,
        node: UInt32
    ) throws(MessagePackError) -> KeyedDecodingContainer<Key> {
        let map = try mapPairs(at: cursor, node: node)
        let key = unsafeBitCast(Key.self, to: UnsafeRawPointer.self)
        // The table of readers holds nothing but these factories, for ever.
        let kept =
            cmsgpack_cache_find(cmsgpack_reader_cache(), key)
            ?? keep(cmsgpack_reader_cache(), key) {
                KnownKeyedReaderFactory<Key, KeyedReader<Key>>()
            }
        guard let kept else { return KeyedDecodingContainer(KeyedReader<Key>(state: self, node: node, map: map)) }
        return Unmanaged<KeyedReaderFactory<Key>>.fromOpaque(kept)._withUnsafeGuaranteedRef { $0.make(self, node, map) }
    }
}

/// Makes an object to live for ever in the table; nil when the table has no room, or the object since a moment ago.
@inline(never)
private func keep(
    _ cache: UnsafeMutablePointer<cmsgpack_cache>?,
    _ key: UnsafeRawPointer,
    _ make: () -> AnyObject
) -> UnsafeMutableRawPointer? {
    let object = Unmanaged.passRetained(make())
    if cmsgpack_cache_add(cache, key, object.toOpaque()) { return object.toOpaque() }
    object.release()
    return nil
}
