// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CMsgPack
import MessagePack
import Testing

/// msgpack-c itself reads what we write and writes what we read.
@Suite(.tags(.wire))
struct ReferenceTests {
    /// The bytes that msgpack-c packs for the object it unpacked, or nil when it cannot read them.
    private func repacked(_ bytes: [UInt8]) -> [UInt8]? {
        bytes.withUnsafeBytes { raw -> [UInt8]? in
            var unpacked = msgpack_unpacked()
            defer { msgpack_unpacked_destroy(&unpacked) }
            var offset = 0
            let start = raw.baseAddress?.assumingMemoryBound(to: CChar.self)
            let result = msgpack_unpack_next(&unpacked, start, raw.count, &offset)
            guard result == MSGPACK_UNPACK_SUCCESS, offset == raw.count else { return nil }
            var buffer = msgpack_sbuffer()
            defer { msgpack_sbuffer_destroy(&buffer) }
            var packer = msgpack_packer()
            msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write)
            guard msgpack_pack_object(&packer, unpacked.data) == 0 else { return nil }
            return UnsafeRawBufferPointer(start: buffer.data, count: buffer.size).map(\.self)
        }
    }

    @Test func messagesSurviveARoundThroughMsgpackC() throws {
        let seed = UInt64.random(in: .min ... .max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let value = Value.random(depth: 3, using: &generator)
            let bytes = value.encoded()
            #expect(try #require(repacked(bytes), "seed \(seed)") == bytes, "seed \(seed)")
        }
        for (bytes, value) in FormatTests.others {
            #expect(try Value(decoding: try #require(repacked(bytes))) == value)
        }
    }

    @Test func codableBytesAreThoseOfMsgpackC() throws {
        let bytes = try MessagePackEncoder().encode(CodableTests.Everything())
        #expect(repacked(bytes) == bytes)
    }
}
