// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What a state holds at most.
public enum StateLimits {
    /// The longest key, in bytes of UTF-8.
    public static let keyByteCount = 480
    /// The longest name of a namespace, in bytes of UTF-8.
    public static let namespaceByteCount = 480
    /// The largest value, in bytes of MessagePack: 64 MiB.
    public static let valueByteCount = 64 << 20

    package static func check(key: String) throws(StateError) {
        let count = key.utf8.count
        guard count <= keyByteCount else {
            throw StateError(
                .keyTooLong,
                "a key has \(count) bytes, of at most \(keyByteCount); it begins with '\(key.prefix(40))'",
                key: key
            )
        }
    }

    package static func check(valueByteCount count: Int, for key: String) throws(StateError) {
        guard count <= valueByteCount else {
            throw StateError(
                .valueTooLarge,
                "the value for '\(key)' has \(count) bytes, of at most \(valueByteCount); "
                    + "split it over several keys",
                key: key
            )
        }
    }

    package static func check(namespace: String) throws(StateError) {
        let count = namespace.utf8.count
        guard (1...namespaceByteCount).contains(count) else {
            throw StateError(
                .keyTooLong,
                "the name of a namespace has \(count) bytes; it must have 1 to \(namespaceByteCount)"
            )
        }
    }
}
