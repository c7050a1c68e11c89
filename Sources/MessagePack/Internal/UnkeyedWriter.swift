// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// Writes the elements of an array.
struct UnkeyedWriter: UnkeyedEncodingContainer {
    let state: EncodingState
    let frame: FrameHandle

    var codingPath: [any CodingKey] { state.codingPath(of: frame) }
    var count: Int { state.elementCount(of: frame) }

    @inline(__always)
    private func begin() throws(MessagePackError) -> UnsafeMutablePointer<cmsgpack_writer> {
        try state.beginElement(frame)
    }

    func encodeNil() throws { cmsgpack_pack_nil(try begin()) }
    func encode(_ value: Bool) throws { writeBool(value, try begin()) }
    func encode(_ value: String) throws { writeString(value, try begin(), state) }
    func encode(_ value: Double) throws { cmsgpack_pack_double(try begin(), value) }
    func encode(_ value: Float) throws { cmsgpack_pack_float(try begin(), value) }
    func encode(_ value: Int) throws { writeSigned(Int64(value), try begin()) }
    func encode(_ value: Int8) throws { writeSigned(Int64(value), try begin()) }
    func encode(_ value: Int16) throws { writeSigned(Int64(value), try begin()) }
    func encode(_ value: Int32) throws { writeSigned(Int64(value), try begin()) }
    func encode(_ value: Int64) throws { writeSigned(value, try begin()) }
    func encode(_ value: UInt) throws { writeUnsigned(UInt64(value), try begin()) }
    func encode(_ value: UInt8) throws { writeUnsigned(UInt64(value), try begin()) }
    func encode(_ value: UInt16) throws { writeUnsigned(UInt64(value), try begin()) }
    func encode(_ value: UInt32) throws { writeUnsigned(UInt64(value), try begin()) }
    func encode(_ value: UInt64) throws { writeUnsigned(value, try begin()) }

    func encode<T: Encodable>(_ value: T) throws {
        let start = try begin().pointee.count
        do {
            try state.encode(value, at: .index(state.core.pointee.elements - 1))
        } catch {
            state.core.pointee.writer.count = start
            state.core.pointee.elements -= 1
            throw error
        }
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        state.keyedContainer(state.open(openNested(), as: .map))
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        UnkeyedWriter(state: state, frame: state.open(openNested(), as: .array))
    }

    func superEncoder() -> any Encoder {
        ValueWriter(state: state, frame: openNested())
    }

    private func openNested() -> FrameHandle {
        do {
            _ = try state.beginElement(frame)
            return state.openNested(in: frame, at: .index(state.core.pointee.elements - 1))
        } catch {
            state.record(error)
            return .invalid
        }
    }
}

extension EncodingState {
    @inline(__always)
    func beginElement(_ frame: FrameHandle) throws(MessagePackError) -> UnsafeMutablePointer<cmsgpack_writer> {
        if core.pointee.current != frame { try resume(frame) }
        core.pointee.elements &+= 1
        return writer
    }

    func elementCount(of frame: FrameHandle) -> Int {
        if core.pointee.current == frame { return core.pointee.elements }
        guard frame.index < core.pointee.frameCount, core.pointee.frames[frame.index].serial == frame.serial else {
            return 0
        }
        return core.pointee.frames[frame.index].elements
    }
}
