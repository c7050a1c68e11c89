// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

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
