// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A JSON text, with its numbers as they are written and its members in order.
///
/// Numbers stay text because no type of Swift holds all that may stand there, and none is to be rounded unasked.
enum JSON: Equatable, Sendable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSON])
    case object([Member])

    struct Member: Equatable, Sendable {
        var key: String
        var value: JSON

        init(_ key: String, _ value: JSON) {
            self.key = key
            self.value = value
        }
    }

    static func number(_ value: some BinaryInteger) -> JSON { .number(String(value)) }

    /// A finite number with the fewest digits that read back as the same.
    static func number(_ value: Double) -> JSON { .number(value.description) }

    /// The value of a member; nil when this is no object or has none.
    subscript(key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }
}

/// A text is no JSON, or JSON that stands for nothing here.
struct JSONError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
