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
            cmsgpack_find_writer(key)
            ?? keepForever(KnownKeyedWriterFactory<Key, KeyedWriter<Key>>(), key, cmsgpack_add_writer)
        guard let kept else { return KeyedEncodingContainer(KeyedWriter<Key>(state: self, frame: frame)) }
        return Unmanaged<KeyedWriterFactory<Key>>.fromOpaque(kept)._withUnsafeGuaranteedRef { $0.make(self, frame) }
    }
}

/// Adds an object that is to live for ever to a table.
///
/// Returns nil when the table has no room, or such an object since a moment ago.
@inline(never)
func keepForever(
    _ object: AnyObject,
    _ key: UnsafeRawPointer,
    _ add: (UnsafeRawPointer, UnsafeMutableRawPointer) -> Bool
) -> UnsafeMutableRawPointer? {
    let object = Unmanaged.passRetained(object)
    if add(key, object.toOpaque()) { return object.toOpaque() }
    object.release()
    return nil
}
