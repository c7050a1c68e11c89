// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MessagePack
import Testing
import ZProcCore

/// `Docs/protocol-vectors.json`, which clients in other languages are written against, says what this code does.
@Suite struct ProtocolVectorTests {
    private struct Vectors: Decodable {
        struct Envelope: Decodable {
            var name: String
            var message: Value
            var hex: String
        }
        struct Bundle: Decodable {
            var name: String
            /// Each in hexadecimal.
            var messages: [String]
            var hex: String
        }
        var envelopes: [Envelope]
        var bundles: [Bundle]

        static func read() throws -> Vectors {
            let file = URL(filePath: #filePath).appending(path: "../../../Docs/protocol-vectors.json")
            return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file.standardized))
        }
    }

    /// The messages of the file by their names.
    private static let envelopes: [String: Envelope] = [
        "hello": .hello(PeerInfo(build: "python", node: NodeID(number: 123_456_789), processID: 4_242)),
        "hello of a node with a large number": .hello(PeerInfo(build: "b", node: NodeID(number: .max), processID: 1)),
        "welcome": .welcome(PeerInfo(build: "swift-build", node: NodeID(number: 987_654_321), processID: 300)),
        "refused": .refused("no"),
        "refused, long": .refused(String(repeating: "é", count: 40)),
        "call": .call(CallID(1), service: "state", method: "get", arguments: packed(["default", "key"])),
        "call without arguments": .call(CallID(128), service: "hub", method: "ping", arguments: packed([])),
        "call with long arguments": .call(
            CallID(70_000),
            service: "state",
            method: "set",
            arguments: packed(["default", 0, "key", .string(String(repeating: "x", count: 300))])
        ),
        "call that may be sent again": .call(
            CallID(2),
            service: "state",
            method: "increment",
            arguments: packed(["default", 7, "count", 1]),
            request: UpdateRequest(client: 11_400_714_819_323_198_485, number: 3, answered: 2)
        ),
        "call in a trace": .call(
            CallID(3),
            service: "hub",
            method: "ping",
            arguments: packed([]),
            trace: ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]
        ),
        "call in a trace that may be sent again": .call(
            CallID(4),
            service: "hub",
            method: "ping",
            arguments: packed([]),
            request: UpdateRequest(client: 5, number: 3, answered: 2),
            trace: ["a", "b"]
        ),
        "success": .success(CallID(1), result: packed(["value"])),
        "success without a result": .success(CallID(5_000_000_000), result: []),
        "failure of the hub's own": .failure(CallID(9), WireError(code: "overLimit", message: "too much")),
        "failure that was thrown": .failure(
            CallID(10),
            WireError(
                code: "thrown",
                message: "CallError: badArguments: no",
                type: Value.string("s8ZProc9CallErrorV").encoded(),
                payload: Value.map(["code": .map(["kind": "badArguments"]), "message": "no"]).encoded()
            )
        ),
        "cancel": .cancel(CallID(2)),
        "probe": .probe,
        "alias": .alias(0, service: "actor", method: "a method with a long name"),
        "aliased call": .aliasedCall(CallID(300), alias: 0, arguments: packed([7])),
    ]

    private static func packed(_ values: [Value]) -> ArraySlice<UInt8> { Value.array(values).encoded()[...] }

    @Test func envelopesHaveTheBytesThatAreWrittenDown() throws {
        let vectors = try Vectors.read()
        #expect(Set(vectors.envelopes.map(\.name)) == Set(Self.envelopes.keys))
        for vector in vectors.envelopes {
            let envelope = try #require(Self.envelopes[vector.name]), name = Comment(rawValue: vector.name)
            let written = try #require(bytes(ofHex: vector.hex))
            #expect(envelope.encoded() == written, name)
            #expect(try Envelope(decoding: written) == envelope, name)
            #expect(try Value(decoding: written) == described(vector.message), name)
        }
    }
}

extension ProtocolVectorTests {
    @Test func bundlesHaveTheBytesThatAreWrittenDown() throws {
        let vectors = try Vectors.read().bundles
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let messages = try vector.messages.map { try #require(bytes(ofHex: $0)) }
            let written = try #require(bytes(ofHex: vector.hex))
            #expect(Bundle.messages(in: written) == messages, Comment(rawValue: vector.name))
            #expect(Bundle.joined(messages) == [written], Comment(rawValue: vector.name))
        }
    }
}

/// The value that a description in JSON stands for: there, binary is `{"$binary": hex}`.
private func described(_ json: Value) throws -> Value {
    if let hex = json["$binary"]?.stringValue { return .binary(try #require(bytes(ofHex: hex))) }
    if let array = json.arrayValue { return .array(try array.map(described)) }
    if let map = json.mapValue { return .map(Value.Map(try map.map { ($0.key, try described($0.value)) })) }
    return json
}

private func bytes(ofHex text: String) -> [UInt8]? {
    let digits = text.compactMap(\.hexDigitValue)
    guard digits.count == text.count, digits.count % 2 == 0 else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
