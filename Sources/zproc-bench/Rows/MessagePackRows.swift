// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import MessagePack

extension Row {
    /// Encoding and decoding against msgpack-c, which makes and reads the same bytes.
    static let messagePack = [
        Row("msgpack.encode.structs", in: .nanosecondsPerStruct, against: "msgpack-c", reach: .atMost(4)) { turns in
            let structs = try StructSample()
            return try await turns.alternate {
                try await sample(for: $0, items: StructSample.count) { _ in try structs.packInC() }
            } ours: {
                try await sample(for: $0, items: StructSample.count) { _ in try structs.encode() }
            }
        },
        Row("msgpack.decode.structs", in: .nanosecondsPerStruct, against: "msgpack-c", reach: .atMost(4)) { turns in
            let structs = try StructSample()
            return try await turns.alternate {
                try await sample(for: $0, items: StructSample.count) { _ in try structs.unpackInC() }
            } ours: {
                try await sample(for: $0, items: StructSample.count) { _ in try structs.decode() }
            }
        },
        Row("msgpack.encode.ints", in: .nanosecondsPerInteger, against: "msgpack-c", reach: .atMost(2)) { turns in
            let integers = try IntegerSample()
            return try await turns.alternate {
                try await sample(for: $0, items: IntegerSample.count) { _ in try integers.packInC() }
            } ours: {
                try await sample(for: $0, items: IntegerSample.count) { _ in try integers.encode() }
            }
        },
        Row("msgpack.decode.ints", in: .nanosecondsPerInteger, against: "msgpack-c", reach: .atMost(2)) { turns in
            let integers = try IntegerSample()
            return try await turns.alternate {
                try await sample(for: $0, items: IntegerSample.count) { _ in try integers.unpackInC() }
            } ours: {
                try await sample(for: $0, items: IntegerSample.count) { _ in try integers.decode() }
            }
        },
    ]
}
