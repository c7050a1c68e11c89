// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// Writes the pairs of a map.
struct KeyedWriter<Key: CodingKey>: KeyedWriting {
    let state: EncodingState
    let frame: FrameHandle

    var codingPath: [any CodingKey] { state.codingPath(of: frame) }

    /// Writes the key and returns the buffer for the value.
    @inline(__always)
    private func begin(_ key: Key) throws(MessagePackError) -> UnsafeMutablePointer<cmsgpack_writer> {
        try state.beginPair(key.stringValue, frame)
    }

    func encodeNil(forKey key: Key) throws { cmsgpack_pack_nil(try begin(key)) }
    func encode(_ value: Bool, forKey key: Key) throws { writeBool(value, try begin(key)) }
    func encode(_ value: String, forKey key: Key) throws { writeString(value, try begin(key), state) }
    func encode(_ value: Double, forKey key: Key) throws { cmsgpack_pack_double(try begin(key), value) }
    func encode(_ value: Float, forKey key: Key) throws { cmsgpack_pack_float(try begin(key), value) }
    func encode(_ value: Int, forKey key: Key) throws { writeSigned(Int64(value), try begin(key)) }
    func encode(_ value: Int8, forKey key: Key) throws { writeSigned(Int64(value), try begin(key)) }
    func encode(_ value: Int16, forKey key: Key) throws { writeSigned(Int64(value), try begin(key)) }
    func encode(_ value: Int32, forKey key: Key) throws { writeSigned(Int64(value), try begin(key)) }
    func encode(_ value: Int64, forKey key: Key) throws { writeSigned(value, try begin(key)) }
    func encode(_ value: UInt, forKey key: Key) throws { writeUnsigned(UInt64(value), try begin(key)) }
    func encode(_ value: UInt8, forKey key: Key) throws { writeUnsigned(UInt64(value), try begin(key)) }
    func encode(_ value: UInt16, forKey key: Key) throws { writeUnsigned(UInt64(value), try begin(key)) }
    func encode(_ value: UInt32, forKey key: Key) throws { writeUnsigned(UInt64(value), try begin(key)) }
    func encode(_ value: UInt64, forKey key: Key) throws { writeUnsigned(value, try begin(key)) }

    func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
        if state.core.pointee.current != frame { try state.resume(frame) }
        let start = state.core.pointee.writer.count
        _ = try begin(key)
        do {
            try state.encode(value, at: .key(at: start))
        } catch {
            // A caller that catches the error finds the container as it was.
            state.core.pointee.writer.count = start
            state.core.pointee.elements -= 1
            throw error
        }
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type,
        forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
        state.keyedContainer(state.open(openNested(key.stringValue), as: .map))
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        UnkeyedWriter(state: state, frame: state.open(openNested(key.stringValue), as: .array))
    }

    func superEncoder() -> any Encoder {
        ValueWriter(state: state, frame: openNested(PathKey.super.stringValue))
    }

    func superEncoder(forKey key: Key) -> any Encoder {
        ValueWriter(state: state, frame: openNested(key.stringValue))
    }

    private func openNested(_ key: String) -> FrameHandle {
        do throws(MessagePackError) {
            if state.core.pointee.current != frame { try state.resume(frame) }
            let start = state.core.pointee.writer.count
            _ = try state.beginPair(key, frame)
            return state.openNested(in: frame, at: .key(at: start))
        } catch {
            state.record(error)
            return .invalid
        }
    }
}

extension EncodingState {
    @inline(__always)
    func beginPair(
        _ key: String,
        _ frame: FrameHandle
    ) throws(MessagePackError) -> UnsafeMutablePointer<cmsgpack_writer> {
        if core.pointee.current != frame { try resume(frame) }
        core.pointee.elements &+= 1
        writeString(key, writer, self)
        return writer
    }
}
