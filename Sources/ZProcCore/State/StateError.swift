// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Why an operation on the shared state, or a watch, failed.
///
/// Nothing has changed when one is thrown.
public struct StateError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The kind of failure, for code that wants to tell failures apart.
    public struct Code: Hashable, Sendable, Codable, CustomStringConvertible {
        private enum Kind: String, Codable {
            case typeMismatch, notEncodable, outOfRange, keyTooLong, valueTooLarge
            case compacted, timedOut, dropped
            case storageFull, storageUnusable, storageDamaged, storageInUse
            case malformed, unavailable
        }
        private let kind: Kind

        /// The stored value has another type than the one asked for.
        public static var typeMismatch: Code { Code(kind: .typeMismatch) }
        /// The value cannot be written as MessagePack.
        public static var notEncodable: Code { Code(kind: .notEncodable) }
        /// A number would leave the range of 64-bit integers.
        public static var outOfRange: Code { Code(kind: .outOfRange) }
        /// A key, or the name of a namespace, is empty where it must not be or longer than ``StateLimits`` allows.
        public static var keyTooLong: Code { Code(kind: .keyTooLong) }
        /// A value is larger than ``StateLimits/valueByteCount``.
        public static var valueTooLarge: Code { Code(kind: .valueTooLarge) }
        /// The revision asked for has been forgotten, or has never been.
        ///
        /// ``StateError/oldestRevision`` says which one is still there.
        public static var compacted: Code { Code(kind: .compacted) }
        /// What a watch waited for did not come in time.
        public static var timedOut: Code { Code(kind: .timedOut) }
        /// The namespace was dropped while it was watched.
        public static var dropped: Code { Code(kind: .dropped) }
        /// The disk or the memory file system that holds the state is full.
        public static var storageFull: Code { Code(kind: .storageFull) }
        /// The state's file cannot be opened, made or written: its directory is missing or read-only, or it is no file.
        public static var storageUnusable: Code { Code(kind: .storageUnusable) }
        /// The state's file is none, or is damaged.
        public static var storageDamaged: Code { Code(kind: .storageDamaged) }
        /// Another context has the state's file open.
        public static var storageInUse: Code { Code(kind: .storageInUse) }
        /// A request or answer is not what the protocol says.
        public static var malformed: Code { Code(kind: .malformed) }
        /// A handle was decoded without a context to use it with, or its context has ended.
        public static var unavailable: Code { Code(kind: .unavailable) }

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened, to which key, and what to do.
    public let message: String
    /// The key concerned, if one is.
    public let key: String?
    /// With ``Code/compacted``: the oldest revision that is still kept.
    public let oldestRevision: Revision?

    package init(_ code: Code, _ message: String, key: String? = nil, oldestRevision: Revision? = nil) {
        self.code = code
        self.message = message
        self.key = key
        self.oldestRevision = oldestRevision
    }

    package static func compacted(_ revision: Revision, oldest: Revision) -> StateError {
        StateError(
            .compacted,
            "revision \(revision) has been forgotten, the oldest one kept is \(oldest); begin there, watch with "
                + "onCompaction: .reset, or keep more history",
            oldestRevision: oldest
        )
    }

    package static func notYet(_ revision: Revision, newest: Revision, oldest: Revision) -> StateError {
        StateError(
            .compacted,
            "revision \(revision) has not been committed, the newest one is \(newest)",
            oldestRevision: oldest
        )
    }

    package static let dropped = StateError(.dropped, "the namespace was dropped while it was watched; watch it anew")

    package static let ended = StateError(.unavailable, "the context has been shut down; make another one")

    /// Reads as `code: message`.
    public var description: String { "\(code): \(message)" }
}
