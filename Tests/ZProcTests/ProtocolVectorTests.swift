// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MessagePack
import Testing
import ZProc
import ZProcCore
import ZeroMQ

/// `Docs/protocol-vectors.json`: a hub answers the calls of the file, byte for byte; see also the tests of the envelopes.
@Suite(.tags(.state), .timeLimit(.minutes(5))) struct ProtocolVectorTests {
    private struct Vectors: Decodable {
        var calls: [Call]
    }

    private struct Call: Decodable {
        var name: String
        var service: String
        var method: String
        var arguments: Value
        var argumentsHex: String
        var request: [UInt64]?
        var answer: Value
        var answerHex: String
    }

    private static func calls() throws -> [Call] {
        let file = URL(filePath: #filePath).appending(path: "../../../Docs/protocol-vectors.json")
        return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file.standardized)).calls
    }

    @Test func descriptionsAndBytesAreTheSame() throws {
        for call in try Self.calls() {
            let name = Comment(rawValue: call.name)
            #expect(try Value(decoding: bytes(ofHex: call.argumentsHex)) == described(call.arguments), name)
            #expect(try Value(decoding: bytes(ofHex: call.answerHex)) == described(call.answer), name)
        }
    }

    @Test func changesAreEncodedAsIsWrittenDown() throws {
        let map: EncodedValue = try EncodedValue(encoding: Value.map(["a": [1, -1, 0.5, .nil, true]]))
        func value(_ value: Value) throws -> EncodedValue { try EncodedValue(encoding: value) }
        let operations: [String: StateOperation] = [
            "set": .set("key", map),
            "remove": .remove("key"),
            "setIfAbsent, absent": .setIfAbsent("key", try value(.binary([0, 255]))),
            "popAny": .popAny,
            "merge": .merge(["count": try value(40)]),
            "increment": .increment("count", try value(2)),
            "increment by a real number": .increment("half", try value(0.5)),
            "append": .append("list", [try value("a"), try value("b")]),
            "compareAndSet, equal": .compareAndSet("count", expected: try value(42), new: try value(43)),
            "compareAndSet of nothing": .compareAndSet("new", expected: nil, new: try value("x")),
            "compareAndSet to nothing": .compareAndSet("new", expected: try value("x"), new: nil),
            "replaceAll": .replaceAll(["only": try value("this")]),
            "clear": .clear,
        ]
        let calls = try Self.calls()
        for (name, operation) in operations {
            let call = try #require(calls.first { $0.name == name })
            let encoded = try operation.encoded(for: "vectors", by: Origin(number: 7), with: MessagePackEncoder())
            #expect(operation.methodName == call.method)
            #expect(try encoded == bytes(ofHex: call.argumentsHex), Comment(rawValue: name))
        }
    }

    @Test(arguments: StateOptions.Engine.allCases.filter { $0 != .automatic })
    func aHubAnswersAsIsWrittenDown(_ engine: StateOptions.Engine) async throws {
        try await withContext(.threads, state: StateOptions(engine: engine)) { hub in
            let zmq = try SocketContext()
            let socket = try zmq.makeSocket(.dealer)
            try socket.connect(to: hub.publish(at: "tcp://127.0.0.1:*"))
            func send(_ envelope: Envelope) async throws -> Envelope {
                try await socket.send(Message(envelope.encoded()))
                return try Envelope(decoding: Array(try await socket.receive()))
            }
            let greeting = try await send(.hello(PeerInfo(build: "vectors", node: .random(), processID: 1)))
            guard case .welcome = greeting else { throw TestFailure(reason: "\(greeting)") }
            for (index, call) in try Self.calls().enumerated() {
                let id = CallID(UInt64(index + 1))
                let answer = try await send(
                    .call(
                        id,
                        service: call.service,
                        method: call.method,
                        arguments: try bytes(ofHex: call.argumentsHex)[...],
                        request: call.request.map { UpdateRequest(client: $0[0], number: $0[1], answered: $0[2]) }
                    )
                )
                let expected = Envelope.success(id, result: try bytes(ofHex: call.answerHex)[...])
                // The fields of a map come in any order.
                if case .success(id, let result) = answer, call.answer.mapValue != nil {
                    #expect(try Value(decoding: Array(result)) == described(call.answer), Comment(rawValue: call.name))
                } else {
                    #expect(answer == expected, Comment(rawValue: call.name))
                }
            }
            socket.close()
            await zmq.shutdown()
        }
    }
}

/// The value that a description in JSON stands for: there, binary is `{"$binary": hex}`.
private func described(_ json: Value) throws -> Value {
    if let hex = json["$binary"]?.stringValue { return .binary(try bytes(ofHex: hex)) }
    if let array = json.arrayValue { return .array(try array.map(described)) }
    if let map = json.mapValue { return .map(Value.Map(try map.map { ($0.key, try described($0.value)) })) }
    return json
}

private func bytes(ofHex text: String) throws -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    try #require(digits.count == text.count && digits.count % 2 == 0)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
