// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing

@Suite(.tags(.codable))
struct MisuseTests {
    private struct Written: Encodable {
        let body: (any Encoder) throws -> Void
        func encode(to encoder: any Encoder) throws { try body(encoder) }
    }
    private enum Key: CodingKey { case a, b }

    private func error(_ body: @escaping (any Encoder) throws -> Void) throws -> MessagePackError {
        try #require(throws: MessagePackError.self) { try MessagePackEncoder().encode([Written(body: body)]) }
    }

    @Test func singleValueContainerMustBeWrittenTo() throws {
        let error = try error { _ = $0.singleValueContainer() }
        #expect(error.code == .unsupportedValue)
        #expect(error.codingPath == ["[0]"])
    }

    @Test func singleValueContainerTakesOneValue() throws {
        let error = try error { encoder in
            var single = encoder.singleValueContainer()
            try single.encode(1)
            try single.encode(2)
        }
        #expect(error.code == .misuse)
        #expect(error.codingPath == ["[0]"])
    }

    @Test func twoKindsOfContainerAreRefused() throws {
        let keyed = try error { encoder in
            _ = encoder.container(keyedBy: Key.self)
            _ = encoder.unkeyedContainer()
        }
        #expect(keyed.code == .misuse)
        let single = try error { encoder in
            var list = encoder.unkeyedContainer()
            try list.encode(1)
            var single = encoder.singleValueContainer()
            try single.encode(2)
        }
        #expect(single.code == .misuse)
    }

    @Test func containerKeptPastItsValueThrows() throws {
        var kept: KeyedEncodingContainer<Key>?
        try withoutActuallyEscaping({ kept = $0 }) { (keep: @escaping (KeyedEncodingContainer<Key>) -> Void) in
            _ = try MessagePackEncoder().encode(
                Written { encoder in
                    var container = encoder.container(keyedBy: Key.self)
                    try container.encode(1, forKey: .a)
                    keep(container)
                }
            )
        }
        let error = try #require(throws: MessagePackError.self) { try kept?.encode(2, forKey: .b) }
        #expect(error.code == .misuse)
    }

    @Test func outerContainerIsClosedWhileAnInnerValueIsWritten() throws {
        let error = try error { encoder in
            var outer = encoder.container(keyedBy: Key.self)
            let copy = outer
            try outer.encode(
                Written { inner in
                    var container = inner.container(keyedBy: Key.self)
                    try container.encode(1, forKey: .a)
                    var outer = copy
                    try outer.encode(2, forKey: .b)
                },
                forKey: .a
            )
        }
        #expect(error.code == .misuse)
    }

    private final class Cycle: Encodable {
        var next: Cycle?
    }

    @Test func cyclesEndInAnError() throws {
        let cycle = Cycle()
        cycle.next = cycle
        defer { cycle.next = nil }
        let error = try #require(throws: MessagePackError.self) { try MessagePackEncoder().encode(cycle) }
        #expect(error.code == .tooDeep)
    }

    @Test func depthOfTheEncoderIsConfigurable() throws {
        var encoder = MessagePackEncoder()
        encoder.maximumDepth = 2
        #expect(try encoder.encode([[true, nil]]) == [0x91, 0x92, 0xc3, 0xc0])
        let error = try #require(throws: MessagePackError.self) { try encoder.encode([[[true, nil]]]) }
        #expect(error.code == .tooDeep)
        #expect(error.codingPath == ["[0]", "[0]"])
    }
}
