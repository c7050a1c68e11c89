// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// The decoder a type's `init(from:)` gets, and its single value container.
///
/// Small enough to travel without a box.
struct ValueReader: Decoder, SingleValueDecodingContainer {
    let state: DecodingState
    let cursor: cmsgpack_cursor
    let node: UInt32

    var codingPath: [any CodingKey] { state.core.codingPath(node) }
    var userInfo: [CodingUserInfoKey: Any] { state.userInfo }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        try state.core.keyedContainer(at: cursor, node: node)
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try state.core.unkeyedReader(at: cursor, node: node)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { start.pointee == 0xc0 }
    func decode(_ type: Bool.Type) throws -> Bool { try checked(readBool(start), .bool) }
    func decode(_ type: String.Type) throws -> String { try checked(readString(start), .text) }
    func decode(_ type: Double.Type) throws -> Double { try checked(readDouble(start)) }
    func decode(_ type: Float.Type) throws -> Float { try checked(readFloat(start)) }
    func decode(_ type: Int.Type) throws -> Int { try checked(readInteger(start)) }
    func decode(_ type: Int8.Type) throws -> Int8 { try checked(readInteger(start)) }
    func decode(_ type: Int16.Type) throws -> Int16 { try checked(readInteger(start)) }
    func decode(_ type: Int32.Type) throws -> Int32 { try checked(readInteger(start)) }
    func decode(_ type: Int64.Type) throws -> Int64 { try checked(readInteger(start)) }
    func decode(_ type: UInt.Type) throws -> UInt { try checked(readInteger(start)) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try checked(readInteger(start)) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try checked(readInteger(start)) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try checked(readInteger(start)) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try checked(readInteger(start)) }

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
        let wellKnown = WellKnownType.of(type)
        // The same place, so the way to it is the same.
        if wellKnown == .none { return try state.core.decode(type, at: cursor, node: node) }
        do throws(MessagePackError) {
            return try wellKnown.read(type, state.core.message, cursor)
        } catch {
            throw state.core.located(error, state.core.path(node))
        }
    }

    private var start: Bytes { state.core.start(of: cursor) }

    @inline(__always)
    private func checked<T>(_ value: T?, _ wanted: Wanted = .number) throws -> T {
        guard let value else {
            throw state.core.located(mismatch(T.self, wanted, start, at: cursor.offset), state.core.path(node))
        }
        return value
    }
}
