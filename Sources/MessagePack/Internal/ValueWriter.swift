// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// The encoder a type's `encode(to:)` gets, and its single value container.
struct ValueWriter: Encoder, SingleValueEncodingContainer {
    let state: EncodingState
    let frame: FrameHandle

    var codingPath: [any CodingKey] { state.codingPath(of: frame) }
    var userInfo: [CodingUserInfoKey: Any] { state.userInfo }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        state.keyedContainer(state.open(frame, as: .map))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        UnkeyedWriter(state: state, frame: state.open(frame, as: .array))
    }

    func singleValueContainer() -> any SingleValueEncodingContainer {
        state.openSingle(frame)
        return self
    }

    func encodeNil() throws { cmsgpack_pack_nil(try state.beginValue(frame)) }
    func encode(_ value: Bool) throws { writeBool(value, try state.beginValue(frame)) }
    func encode(_ value: String) throws { writeString(value, try state.beginValue(frame), state) }
    func encode(_ value: Double) throws { cmsgpack_pack_double(try state.beginValue(frame), value) }
    func encode(_ value: Float) throws { cmsgpack_pack_float(try state.beginValue(frame), value) }
    func encode(_ value: Int) throws { writeSigned(Int64(value), try state.beginValue(frame)) }
    func encode(_ value: Int8) throws { writeSigned(Int64(value), try state.beginValue(frame)) }
    func encode(_ value: Int16) throws { writeSigned(Int64(value), try state.beginValue(frame)) }
    func encode(_ value: Int32) throws { writeSigned(Int64(value), try state.beginValue(frame)) }
    func encode(_ value: Int64) throws { writeSigned(value, try state.beginValue(frame)) }
    func encode(_ value: UInt) throws { writeUnsigned(UInt64(value), try state.beginValue(frame)) }
    func encode(_ value: UInt8) throws { writeUnsigned(UInt64(value), try state.beginValue(frame)) }
    func encode(_ value: UInt16) throws { writeUnsigned(UInt64(value), try state.beginValue(frame)) }
    func encode(_ value: UInt32) throws { writeUnsigned(UInt64(value), try state.beginValue(frame)) }
    func encode(_ value: UInt64) throws { writeUnsigned(value, try state.beginValue(frame)) }

    func encode<T: Encodable>(_ value: T) throws {
        let start = try state.beginValue(frame).pointee.count
        do {
            try state.encode(value, at: .none)
        } catch {
            state.core.pointee.writer.count = start
            state.core.pointee.frames[frame.index].kind = .single
            throw error
        }
    }
}

extension EncodingState {
    func openSingle(_ frame: FrameHandle) {
        // Another frame may have the turn; it is taken back when the value is written.
        guard frame.index < core.pointee.frameCount, core.pointee.frames[frame.index].serial == frame.serial else {
            return
        }
        if core.pointee.frames[frame.index].kind == .undecided { core.pointee.frames[frame.index].kind = .single }
    }

    /// Readies a frame for the one value it holds.
    @inline(__always)
    func beginValue(_ frame: FrameHandle) throws(MessagePackError) -> UnsafeMutablePointer<cmsgpack_writer> {
        if core.pointee.current != frame { try resume(frame) }
        let kind = core.pointee.frames[frame.index].kind
        guard kind == .single || kind == .undecided else { throw secondValue(path(of: frame)) }
        core.pointee.frames[frame.index].kind = .written
        return writer
    }

    /// The buffer; it moves with neither the object nor the fields around it.
    @inline(__always)
    var writer: UnsafeMutablePointer<cmsgpack_writer> {
        // The writer is the first field of the core, at the same address.
        UnsafeMutableRawPointer(core).assumingMemoryBound(to: cmsgpack_writer.self)
    }
}
