// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

@testable import ZProcCore

/// The frames between nodes: what can be read is written and read again as the same.
enum EnvelopeTarget {
    static func run(_ bytes: [UInt8]) -> Bool {
        if let messages = Bundle.messages(in: bytes) {
            precondition(!messages.isEmpty, "a bundle of nothing")
            precondition((try? Envelope(decoding: bytes)) == nil, "a bundle is an envelope")
            return true
        }
        guard let envelope = try? Envelope(decoding: bytes) else { return false }
        let again = envelope.encoded()
        precondition(again.count <= bytes.count, "the shortest form is longer than another one")
        let back = try? Envelope(decoding: again)
        precondition(back == envelope, "\(envelope) comes back as \(String(describing: back))")
        return true
    }

    static var seeds: [String: [UInt8]] {
        let peer = PeerInfo(build: "a build", node: NodeID(number: .max), processID: 4_711)
        let error = WireError(code: "thrown", message: "it failed", type: [0x81, 0xa1, 0x61, 0x01], payload: [0x90])
        let request = UpdateRequest(client: 1 << 40, number: 300, answered: 299)
        let envelopes: [String: Envelope] = [
            "hello": .hello(peer),
            "welcome": .welcome(peer),
            "refused": .refused("it speaks another version"),
            "call": .call(CallID(70_000), service: "state", method: "get", arguments: [0x92, 0xa1, 0x61, 0xa1, 0x62]),
            "call-once": .call(CallID(1), service: "state", method: "clear", arguments: [0x92], request: request),
            "call-long": .call(
                CallID(200),
                service: "actor",
                method: String(repeating: "m", count: 40),
                arguments: [UInt8](repeating: 7, count: 300)[...]
            ),
            "call-traced": .call(
                CallID(3),
                service: "state",
                method: "count",
                arguments: [0x91, 0xa1, 0x61],
                trace: ["traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
            ),
            "success": .success(CallID(5), result: [0xc0]),
            "failure": .failure(CallID(5), error),
            "cancel": .cancel(CallID(.max)),
            "probe": .probe,
            "alias": .alias(0, service: "actor", method: String(repeating: "m", count: 40)),
            "aliased-call": .aliasedCall(CallID(300), alias: 0, arguments: [0x91, 7]),
        ]
        var seeds = envelopes.mapValues { $0.encoded() }
        seeds["bundle"] = Bundle.joined([Envelope.hello(peer).encoded(), Envelope.probe.encoded()])[0]
        return seeds
    }
}
