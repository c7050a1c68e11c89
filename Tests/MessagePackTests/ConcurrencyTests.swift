// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing

@Suite(.tags(.codable))
struct ConcurrencyTests {
    private struct Box<A: Codable & Sendable, B: Codable & Sendable>: Codable, Sendable {
        var a: A
        var b: B
    }

    /// Types of keys that no other test uses meet the table of factories for the first time on many threads at once.
    @Test func oneEncoderAndDecoderServeManyTasks() async throws {
        let (encoder, decoder) = (MessagePackEncoder(), MessagePackDecoder())
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for task in 0..<16 {
                group.addTask { @concurrent in
                    for round in 0..<50 {
                        let box = Box(a: Box(a: task, b: "x"), b: Box(a: Box(a: [round], b: true), b: 1.5))
                        let bytes = try encoder.encode(box)
                        let back = try decoder.decode(
                            Box<Box<Int, String>, Box<Box<[Int], Bool>, Double>>.self,
                            from: bytes
                        )
                        guard back.a.a == task, back.b.a.a == [round], try encoder.encode(back) == bytes else {
                            return false
                        }
                    }
                    return true
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
    }
}
