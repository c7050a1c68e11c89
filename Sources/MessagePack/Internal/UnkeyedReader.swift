// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// Reads the elements of an array.
struct UnkeyedReader: UnkeyedDecodingContainer {
    let state: DecodingState
    let node: UInt32
    let elementCount: UInt32
    /// Where the array starts.
    let offset: UInt32
    var cursor: cmsgpack_cursor
    var index: UInt32 = 0

    var codingPath: [any CodingKey] { state.core.codingPath(node) }
    var count: Int? { Int(elementCount) }
    var currentIndex: Int { Int(index) }
    var isAtEnd: Bool { index == elementCount }

    mutating func decodeNil() throws -> Bool {
        let start = try start(Any?.self)
        guard start.pointee == 0xc0 else { return false }
        advance()
        return true
    }

    mutating func decode(_ type: Bool.Type) throws -> Bool { try next(.bool, readBool) }
    mutating func decode(_ type: String.Type) throws -> String { try next(.text, readString) }
    mutating func decode(_ type: Double.Type) throws -> Double { try next(.number, readDouble) }
    mutating func decode(_ type: Float.Type) throws -> Float { try next(.number, readFloat) }
    mutating func decode(_ type: Int.Type) throws -> Int { try next(.number) { readInteger($0) } }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try next(.number) { readInteger($0) } }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try next(.number) { readInteger($0) } }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try next(.number) { readInteger($0) } }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try next(.number) { readInteger($0) } }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try next(.number) { readInteger($0) } }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try next(.number) { readInteger($0) } }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try next(.number) { readInteger($0) } }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try next(.number) { readInteger($0) } }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try next(.number) { readInteger($0) } }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
        _ = try start(type)
        let value = try state.core.decode(type, at: cursor, parent: node, step: index, isIndex: true)
        advance()
        return value
    }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> {
        let container: KeyedDecodingContainer<Nested> = try state.core.keyedContainer(
            at: try place(Value.Map.self),
            node: pushed()
        )
        advance()
        return container
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        let reader = try state.core.unkeyedReader(at: try place([Value].self), node: pushed())
        advance()
        return reader
    }

    mutating func superDecoder() throws -> any Decoder {
        let reader = ValueReader(state: state, cursor: try place(Value.self), node: pushed())
        advance()
        return reader
    }

    private func pushed() -> UInt32 { state.core.push(parent: node, step: index, isIndex: true) }

    private func place(_ type: Any.Type) throws -> cmsgpack_cursor {
        _ = try start(type)
        return cursor
    }

    @inline(__always)
    private func start(_ type: Any.Type) throws -> Bytes {
        guard index < elementCount else { throw atEnd(type) }
        return state.core.start(of: cursor)
    }

    @inline(__always)
    private mutating func advance() {
        cursor = cmsgpack_skip(state.core.message, cursor)
        index += 1
    }

    @inline(__always)
    private mutating func next<T>(_ wanted: Wanted, _ read: (Bytes) -> T?) throws -> T {
        let start = try start(T.self)
        guard let value = read(start) else {
            let error = mismatch(T.self, wanted, start, at: cursor.offset)
            throw state.core.located(error, parent: node, step: index, isIndex: true)
        }
        advance()
        return value
    }

    private func atEnd(_ type: Any.Type) -> MessagePackError {
        MessagePackError(
            .endOfArray,
            "expected \(type) at index \(index), the array has \(elementCount) elements",
            codingPath: state.core.path(node) + ["[\(index)]"],
            byteOffset: Int(offset)
        )
    }
}

extension DecodingCore {
    func unkeyedReader(at cursor: cmsgpack_cursor, node: UInt32) throws(MessagePackError) -> UnkeyedReader {
        do throws(MessagePackError) {
            let (count, first) = try arrayHeader(message, cursor, [Value].self)
            return UnkeyedReader(
                state: pointee.state,
                node: node,
                elementCount: UInt32(count),
                offset: cursor.offset,
                cursor: first
            )
        } catch {
            throw located(error, path(node))
        }
    }
}
