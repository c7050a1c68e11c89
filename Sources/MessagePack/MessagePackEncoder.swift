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
        try withEncoded(value) { [UInt8]($0) }
    }

    /// Encodes a value and appends the message to `buffer`, which stays as it was when this throws.
    ///
    /// - Throws: ``MessagePackError`` with the coding path, or what a type's `encode(to:)` throws, unchanged.
    public func encode<T: Encodable>(_ value: T, into buffer: inout [UInt8]) throws {
        try withEncoded(value) { buffer.append(contentsOf: $0) }
    }

    private func withEncoded<T: Encodable, Result>(
        _ value: T,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        // A number, string, date or array of numbers needs no shared state, and a small one no heap.
        let written = try withUnsafeTemporaryAllocation(byteCount: 256, alignment: 16) { stack -> Result? in
            let start = stack.baseAddress?.assumingMemoryBound(to: UInt8.self)
            var writer = cmsgpack_writer(bytes: start, count: 0, capacity: stack.count, borrowed: start)
            defer { cmsgpack_writer_free(&writer) }
            guard try writeWellKnown(value, &writer) else { return nil }
            return try body(UnsafeRawBufferPointer(start: writer.bytes, count: writer.count))
        }
        if let written { return written }
        return try EncodingState(userInfo: userInfo, maximumDepth: maximumDepth).encode(message: value, body)
    }
}
