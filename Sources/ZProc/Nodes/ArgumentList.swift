// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import ZProcCore

/// Arguments of a call or a body, as they travel: an array.
struct ArgumentList<each Argument: Codable>: Codable {
    let values: (repeat each Argument)

    init(_ value: repeat each Argument) { values = (repeat each value) }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        values = (repeat try container.decode((each Argument).self))
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        repeat try container.encode(each values)
    }
}

extension ArgumentList: Sendable where repeat each Argument: Sendable {}

extension MessagePackEncoder {
    /// Encodes an array of one ``ArgumentList``, which needs no containers as long as the arguments need none.
    func encode<each Argument: Codable>(row argument: repeat each Argument) throws -> [UInt8] {
        var count = 0
        for _ in repeat (each Argument).self { count += 1 }
        var encoder = self
        encoder.maximumDepth -= 2
        return try FieldWriter.bytes(count: 1) { writer in
            writer.append(arrayOf: count)
            var index = 0
            repeat try writer.append(each argument, at: &index, with: encoder)
        }
    }
}

extension FieldWriter {
    /// Appends an argument; an error says which one it was.
    fileprivate mutating func append<Value: Encodable>(
        _ value: Value,
        at index: inout Int,
        with encoder: MessagePackEncoder
    ) throws {
        do {
            try append(value, with: encoder)
        } catch let error as MessagePackError {
            throw error.under("[\(index)]")
        }
        index += 1
    }
}
