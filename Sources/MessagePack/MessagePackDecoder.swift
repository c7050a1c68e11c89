// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// Turns MessagePack into `Decodable` values.
///
/// The bytes may come from anyone. One pass checks the whole message before anything is made of it: every length against the bytes that are there, and
/// depth, lengths, counts and size against ``limits``. Truncated messages and bytes after the value are refused.
///
/// - Integers decode into any integer type they fit, floating-point numbers into none. `Double` and `Float` take any
///   number that they hold exactly.
/// - `[UInt8]` and `Data` come from binary values, and from arrays of small integers. `Date` and
///   ``MessagePackTimestamp`` come from timestamps, ``Value`` from anything.
/// - Keys may be strings or integers; an integer matches a coding key by its `intValue`. Of equal keys the last counts.
/// - nil decodes as an optional's `nil`; a missing key too, where `decodeIfPresent` asks.
///
/// A type may keep its `Decoder` or a container of it: they go on reading, from a copy of the message. That copy, with
/// what is in ``userInfo``, is let go of some time after them: when other values of users' types are decoded.
///
/// A decoder is a value and may be used from many tasks at once.
public struct MessagePackDecoder: Sendable {
    /// What a message may have at most.
    ///
    /// Each limit is checked before memory is set aside for what a message claims.
    public struct Limits: Sendable, Hashable {
        /// Bytes of a message: 256 MiB unless set, and never 4 GiB or more.
        public var maximumByteCount = 256 << 20
        /// Arrays and maps inside each other: 512 unless set.
        ///
        /// The call stack grows with it: raise it only where decoding runs on a large stack.
        public var maximumDepth = 512
        /// Bytes of one string, blob or extension, elements of one array, pairs of one map: 256 Mi unless set.
        public var maximumLength = 256 << 20
        /// Values in a message, keys included: 64 Mi unless set.
        ///
        /// A value of one byte may become one of 24 bytes or more in memory.
        public var maximumValueCount = 64 << 20

        /// The limits named above.
        public init() {}

        /// Limits that differ from the usual ones in what is named.
        public init(
            maximumByteCount: Int = 256 << 20,
            maximumDepth: Int = 512,
            maximumLength: Int = 256 << 20,
            maximumValueCount: Int = 64 << 20
        ) {
            self.maximumByteCount = maximumByteCount
            self.maximumDepth = maximumDepth
            self.maximumLength = maximumLength
            self.maximumValueCount = maximumValueCount
        }

        /// Whether what is told by its first byte needs no look at these.
        fileprivate var allowSmallValues: Bool {
            let most = CMSGPACK_SMALL_VALUE_SIZE
            return maximumByteCount >= most && maximumLength >= most && maximumValueCount >= 1
        }

        var raw: cmsgpack_limits {
            cmsgpack_limits(
                depth: UInt32(clamping: maximumDepth),
                length: UInt32(clamping: maximumLength),
                values: UInt32(clamping: maximumValueCount)
            )
        }
    }

    /// Values that types find in `Decoder.userInfo`.
    public var userInfo: [CodingUserInfoKey: any Sendable] = [:]
    /// What a message may have at most.
    public var limits = Limits()

    /// Makes a decoder with no user info and the usual limits.
    public init() {}

    /// Decodes a value from bytes that hold one message and nothing else.
    ///
    /// - Throws: ``MessagePackError`` with the coding path and the byte offset, or what a type's `init(from:)` throws,
    ///   unchanged.
    public func decode<T: Decodable>(_ type: T.Type, from bytes: [UInt8]) throws -> T {
        try bytes.withUnsafeBytes { try decode(type, from: $0) }
    }

    /// Decodes a value from a part of an array.
    ///
    /// Offsets in errors count from the start of the part.
    public func decode<T: Decodable>(_ type: T.Type, from bytes: ArraySlice<UInt8>) throws -> T {
        try bytes.withUnsafeBytes { try decode(type, from: $0) }
    }

    /// Decodes a value from a span of bytes.
    public func decode<T: Decodable>(_ type: T.Type, from bytes: RawSpan) throws -> T {
        try bytes.withUnsafeBytes { try decode(type, from: $0) }
    }

    /// Decodes a value from bytes in memory, without copying them first.
    ///
    /// The bytes must not change during the call; afterwards they are not needed, even if a type kept its decoder.
    public func decode<T: Decodable>(_ type: T.Type, from bytes: UnsafeRawBufferPointer) throws -> T {
        let wellKnown = WellKnownType.of(type)
        // What its first byte says is all that there is to check, but for the UTF-8 of a short string, which reading does.
        if wellKnown.isSmall, limits.allowSmallValues, let first = bytes.baseAddress,
            cmsgpack_is_small_value(first, bytes.count)
        {
            return try wellKnown.readSmall(type, bytes)
        }
        if wellKnown != .none {
            var message = cmsgpack_message()
            defer { cmsgpack_message_free(&message) }
            try scan(bytes, limits, &message)
            return try wellKnown.read(type, &message, cmsgpack_cursor(offset: 0, span: 0))
        }
        let state = DecodingState.take(userInfo)
        defer { DecodingState.putDown(state) }
        let core = state._withUnsafeGuaranteedRef { $0.core }
        try scan(bytes, limits, core.message)
        return try core.decode(type, at: cmsgpack_cursor(offset: 0, span: 0), node: 0)
    }
}
