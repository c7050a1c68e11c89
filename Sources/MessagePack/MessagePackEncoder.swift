// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// Turns `Encodable` values into MessagePack, choosing the smallest form of each.
///
/// - `[UInt8]` and `Data` become binary values, `Date` and ``MessagePackTimestamp`` timestamps, ``Value`` itself.
/// - `Float` keeps 32 bits and `Double` 64. Integers take as few bytes as they need, whatever their type.
/// - Keys are written as strings, those of `[Int: …]` too; a dictionary with other keys is what the standard library
///   makes of it, an array of keys and values in turn.
/// - nil is MessagePack's nil. It has one nil only, so a nested optional's `.some(nil)` reads back as `nil`.
/// - A type that asks for nothing in `encode(to:)` becomes an empty map; one that asks for a single value container and
///   writes nothing is an error.
/// - A key written twice is there twice; a decoder takes the last of them, as if it had replaced the first.
///
/// An encoder is a value and may be used from many tasks at once.
public struct MessagePackEncoder: Sendable {
    /// Values that types find in `Encoder.userInfo`.
    public var userInfo: [CodingUserInfoKey: any Sendable] = [:]

    /// How deeply arrays and maps may nest, 512 if not set; a cycle of references ends in an error, not a crash.
    ///
    /// The call stack grows with the depth. A decoder has a limit of its own; see ``MessagePackDecoder/Limits``.
    public var maximumDepth = 512

    /// Makes an encoder with no user info.
    public init() {}

    /// Encodes a value as one MessagePack message.
    ///
    /// - Throws: ``MessagePackError`` with the coding path, or what a type's `encode(to:)` throws, unchanged.
    public func encode<T: Encodable>(_ value: T) throws -> [UInt8] {
        let type = WellKnownType.of(T.self)
        if let byteCount = type.largestByteCount(of: value), byteCount > Self.copiedByteCount,
            let message = try writeInPlace(value, type, byteCount)
        {
            return message
        }
        if type != .none { return try withTemporaryWriter(value, type, maximumDepth) { [UInt8]($0) } }
        let state = EncodingState(userInfo: userInfo, maximumDepth: maximumDepth)
        try state.encode(message: value)
        return [UInt8](state.bytes)
    }

    /// More than so many bytes are better not copied.
    private static let copiedByteCount = 16 << 10

    /// Writes a value straight into the array that is its message; nil when that takes more than so many bytes.
    private func writeInPlace<T>(
        _ value: T,
        _ type: WellKnownType,
        _ byteCount: Int
    ) throws(MessagePackError) -> [UInt8]? {
        var failure: MessagePackError?
        let message = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            var writer = cmsgpack_writer(borrowing: buffer)
            defer { cmsgpack_writer_free(&writer) }
            do throws(MessagePackError) {
                try type.write(value, to: &writer, depth: maximumDepth)
                count = writer.bytes == buffer.baseAddress ? writer.count : 0
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return message.isEmpty ? nil : message
    }

    /// Encodes a value and appends the message to `buffer`, which stays as it was when this throws.
    ///
    /// - Throws: ``MessagePackError`` with the coding path, or what a type's `encode(to:)` throws, unchanged.
    public func encode<T: Encodable>(_ value: T, into buffer: inout [UInt8]) throws {
        try encode(value) { buffer.append(contentsOf: $0) }
    }

    /// Encodes a value and hands the message to `body`, for the time of the call.
    ///
    /// - Throws: ``MessagePackError`` with the coding path, or what a type's `encode(to:)` throws, unchanged.
    package func encode<T: Encodable>(_ value: T, to body: (UnsafeBufferPointer<UInt8>) -> Void) throws {
        let type = WellKnownType.of(T.self)
        if type != .none { return try withTemporaryWriter(value, type, maximumDepth, body) }
        let state = EncodingState(userInfo: userInfo, maximumDepth: maximumDepth)
        try state.encode(message: value)
        body(state.bytes)
    }
}

/// Writes a value that needs no shared state into a buffer on the stack, or on the heap when it turns out large.
@inline(__always)
private func withTemporaryWriter<T, Result>(
    _ value: T,
    _ type: WellKnownType,
    _ maximumDepth: Int,
    _ body: (UnsafeBufferPointer<UInt8>) -> Result
) throws(MessagePackError) -> Result {
    try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { stack throws(MessagePackError) in
        var writer = cmsgpack_writer(borrowing: stack)
        defer { cmsgpack_writer_free(&writer) }
        try type.write(value, to: &writer, depth: maximumDepth)
        return body(UnsafeBufferPointer(start: writer.bytes, count: writer.count))
    }
}
