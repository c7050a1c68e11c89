// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// An array of any elements, which are decoded one by one.
///
/// Swift's own `Array.init(from:)` looks up its type for each element, grows the array step by step, and asks a
/// container in a box whether there is more.
private protocol LongArray {
    /// Makes the array in memory that has none yet.
    static func read(
        into memory: UnsafeMutableRawPointer,
        _ core: DecodingCore,
        _ cursor: cmsgpack_cursor,
        _ node: UInt32
    ) throws
}

extension Array: LongArray where Element: Decodable {
    /// Room for elements is taken in advance for so many bytes; a message of few bytes may claim many elements.
    private static var mostBytesInAdvance: Int { 1 << 20 }

    fileprivate static func read(
        into memory: UnsafeMutableRawPointer,
        _ core: DecodingCore,
        _ cursor: cmsgpack_cursor,
        _ node: UInt32
    ) throws {
        var (count, place) = try arrayHeader(core.message, cursor, Self.self)
        var elements: [Element] = []
        elements.reserveCapacity(Swift.min(count, mostBytesInAdvance / Swift.max(1, MemoryLayout<Element>.stride)))
        for index in 0..<UInt32(count) {
            elements.append(
                try core.decode(Element.self, at: place, parent: node, step: index, isIndex: true)
            )
            place = cmsgpack_skip(core.message, place)
        }
        memory.initializeMemory(as: Self.self, to: elements)
    }
}

extension DecodingCore {
    /// Decodes a value whose type is not well known.
    func decode<T: Decodable>(_ type: T.Type, at cursor: cmsgpack_cursor, node: UInt32) throws -> T {
        if isLongArray(start(of: cursor)), let array = type as? any LongArray.Type {
            return try read(array, at: cursor, node: node)
        }
        return try T(from: ValueReader(state: pointee.state, cursor: cursor, node: node))
    }

    /// Whether there are so many elements that it is worth while to ask what type an array is.
    @inline(__always)
    private func isLongArray(_ start: Bytes) -> Bool {
        (start.pointee == 0xdc && cmsgpack_load16(start + 1) >= 64) || start.pointee == 0xdd
    }

    @inline(never)
    private func read<T>(_ array: any LongArray.Type, at cursor: cmsgpack_cursor, node: UInt32) throws -> T {
        var memory: UInt = 0
        return try withUnsafeMutableBytes(of: &memory) { memory in
            let start = memory.baseAddress.unsafelyUnwrapped
            try array.read(into: start, self, cursor, node)
            return start.assumingMemoryBound(to: T.self).move()
        }
    }
}
