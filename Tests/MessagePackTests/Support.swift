// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing

/// A small generator with a seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }
}

extension Value {
    /// A random tree; `depth` bounds its height.
    static func random(depth: Int, using generator: inout SeededGenerator) -> Value {
        switch Int.random(in: 0..<(depth > 0 ? 13 : 11), using: &generator) {
        case 0: return .nil
        case 1: return .bool(.random(using: &generator))
        case 2: return .int(.random(in: .min ... .max, using: &generator))
        case 3: return .int(.random(in: -200...70_000, using: &generator))
        case 4: return Value(UInt64.random(in: .min ... .max, using: &generator))
        case 5: return .float(.random(in: -1e9...1e9, using: &generator))
        case 6: return .double(.random(in: -1e99...1e99, using: &generator))
        case 7: return .string(randomString(using: &generator))
        case 8: return .binary(randomBytes(upTo: 300, using: &generator))
        case 9:
            let seconds: Int64 =
                [.random(in: .min ... .max, using: &generator), .random(in: 0...1 << 35, using: &generator)]
                .randomElement(using: &generator) ?? 0
            let nanoseconds: UInt32 = .random(using: &generator) ? 0 : .random(in: 0...999_999_999, using: &generator)
            return .timestamp(MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds))
        case 10:
            return .ext(type: .random(in: 0...127, using: &generator), randomBytes(upTo: 20, using: &generator))
        case 11:
            let count = Int.random(in: 0...20, using: &generator)
            return .array((0..<count).map { _ in random(depth: depth - 1, using: &generator) })
        default:
            let count = Int.random(in: 0...20, using: &generator)
            return .map(
                Map(
                    (0..<count).map { _ in
                        (random(depth: depth - 1, using: &generator), random(depth: depth - 1, using: &generator))
                    }
                )
            )
        }
    }

    private static func randomString(using generator: inout SeededGenerator) -> String {
        let count = [0, 3, 31, 32, 255, 256].randomElement(using: &generator) ?? 0
        return String((0..<count).map { _ in "aé€𝄞z".randomElement(using: &generator) ?? "?" })
    }

    private static func randomBytes(upTo count: Int, using generator: inout SeededGenerator) -> [UInt8] {
        (0..<Int.random(in: 0...count, using: &generator)).map { _ in .random(in: 0...255, using: &generator) }
    }
}

/// Encodes and decodes a value.
func roundTrip<T: Codable>(_ value: T, as type: T.Type = T.self) throws -> T {
    try MessagePackDecoder().decode(T.self, from: MessagePackEncoder().encode(value))
}

/// The error that decoding a type throws.
func decodingError<T: Decodable>(_ type: T.Type, _ bytes: [UInt8]) throws -> MessagePackError {
    try #require(throws: MessagePackError.self) { try MessagePackDecoder().decode(type, from: bytes) }
}
