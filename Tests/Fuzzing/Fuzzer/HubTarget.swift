// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import MessagePack

@testable import ZProc
@testable import ZProcCore

/// The hub's request handler: frames and calls of four peers, then an honest one, whose update must be exact.
///
/// An input is a byte that chooses the hub and how it begins, then steps: a byte of what and by whom, a count, and so
/// many bytes.
final class HubTarget: Sendable {
    static let shared = HubTarget()

    /// What may be called, by number; never to be reordered, because inputs in the corpus name methods by it.
    static let methods: [(service: String, method: String)] =
        [
            "get", "contains", "count", "keys", "snapshot", "snapshotAt", "namespaces", "set", "remove", "popAny",
            "setIfAbsent", "merge", "replaceAll", "clear", "increment", "append", "compareAndSet", "update",
            "mergeWith", "updateModel", "span", "records", "nextRecords", "history", "restore", "drop", "nonsense",
        ].map { ("state", $0) }
        + [
            ("hub", "ping"), ("hub", "processes"), ("hub", "stop"), ("hub", ""), ("process", "job"),
            ("process", "hosting"), ("process", "stopRequested"), ("process", "finished"), ("swarm", "next"),
            ("swarm", "cancelled"), ("swarm", "retry"), ("swarm", "join"), ("swarm", "machine"), ("swarm", "untilEnd"),
            ("actor", "zproc terminated"), ("actor", "$s1x"), ("host", "make"), ("host", "release"),
            ("registry", "find"), ("registry", "register"), ("nobody", "x"),
        ]

    private let hubs: [Hub]

    private init() {
        do {
            hubs = [try Hub(.memory), try Hub(.shared)]
        } catch {
            preconditionFailure("\(error)")
        }
    }

    func run(_ bytes: [UInt8]) -> Bool {
        guard let first = bytes.first else { return false }
        hubs[Int(first & 1)].run(bytes.dropFirst(), greets: first & 2 == 0)
        return true
    }

    static var seeds: [String: [UInt8]] {
        get throws {
            func call(_ method: String, _ values: [Value]) throws -> [UInt8] {
                guard let number = methods.firstIndex(where: { $0.method == method }) else {
                    throw Failure("no \(method)")
                }
                let arguments = try MessagePackEncoder().encode(values)
                return step(.call, [UInt8(number)] + arguments)
            }
            func once(_ method: String, _ values: [Value], _ number: UInt8) throws -> [UInt8] {
                var bytes = try call(method, values)
                bytes[0] = Step.once.rawValue
                bytes[1] += 2
                bytes.insert(contentsOf: [1, number], at: 3)
                return bytes
            }
            func step(_ step: Step, _ content: [UInt8]) -> [UInt8] { [step.rawValue, UInt8(content.count)] + content }
            let set = try call("set", ["n", 1, "key", 5]), append = try call("append", ["n", 1, "list", [1, "a"]])
            let calls: [(String, [Value])] = [
                ("get", ["n", "key"]), ("contains", ["n", "key"]), ("count", ["n"]), ("keys", ["n"]),
                ("snapshot", ["n"]), ("snapshotAt", ["n", 1]), ("namespaces", []), ("set", ["n", 7, "key", ["a": 1]]),
                ("remove", ["n", 7, "key"]), ("popAny", ["n", 7]), ("setIfAbsent", ["n", 7, "other", 1.5]),
                ("merge", ["n", 7, ["key": 1, "b": 2]]), ("replaceAll", ["n", 7, ["c": 1]]), ("clear", ["n", 7]),
                ("increment", ["n", 7, "key", .int(-3)]), ("append", ["n", 7, "list", [.nil]]),
                ("compareAndSet", ["n", 7, "key", [5], [6]]), ("update", ["n", 7, [1, 2]]),
                ("mergeWith", ["n", 7, ["key": 1], [1]]), ("updateModel", ["n", 7, ["key": 1], [1]]), ("span", ["n"]),
                ("records", ["n", 0, 10]), ("nextRecords", ["n", 0, 10]), ("history", ["n", "key"]),
                ("restore", ["n", 7, 1]), ("drop", ["n", 7]), ("ping", []), ("processes", []),
                ("stop", [.uint(1 << 30)]),
                ("next", [1, 1, true, 1, [[5, 100, 0, .binary([0x91, 1])], [6, 1, 3], [7, 1, 4, 1_000]]]),
                (
                    "next",
                    [1, 1, false, 0, [[5, 1, 1, .binary([0x90]), .binary([0x90])], [6, 1, 2, .binary([0x90])]]]
                ),
                ("join", [["swarm": 1, "processID": 4, "machine": 5]]), ("find", ["name"]),
                ("zproc terminated", [1]), ("make", [1]), ("release", [1]), ("job", [1]),
            ]
            var seeds: [String: [UInt8]] = [:]
            for (index, (method, values)) in calls.enumerated() {
                let name = method.replacing(" ", with: "-")
                // Some are called twice.
                let suffix = seeds["state-\(name)"] == nil ? "" : "-again"
                seeds["state-\(name)\(suffix)"] = [UInt8(index & 1)] + set + append + (try call(method, values))
            }
            let increment = try once("increment", ["n", 1, "a", 1], 1)
            seeds["twice"] = [0] + increment + increment
            seeds["twice-shared"] = [1] + (try once("set", ["n", 1, "a", 1], 1) + once("drop", ["n", 1], 2))
            seeds["wait-and-cancel"] = [1] + (try call("nextRecords", ["n", 0, 10])) + step(.leave, [0])
            seeds["wait-and-go"] = [0] + (try call("nextRecords", ["n", 0, 10])) + step(.leave, [])
            let alias = Envelope.alias(0, service: "state", method: "get").encoded()
            let aliased = try MessagePackEncoder().encode(["n", "key"])
            let aliasedCall = Envelope.aliasedCall(CallID(1_000), alias: 0, arguments: aliased[...]).encoded()
            seeds["aliased"] = [0] + step(.frame, alias) + step(.frame, aliasedCall) + step(.frame, alias)
            for (name, frame) in EnvelopeTarget.seeds where frame.count < 200 {
                seeds["frame-\(name)"] = [0] + step(.frame, frame)
                seeds["stranger-\(name)"] = [3] + step(.frame, frame)
            }
            return seeds
        }
    }
}

/// What a step of an input does; the lowest two bits of its first byte, the next two of which tell the peer.
private enum Step: UInt8 {
    /// The bytes are a frame.
    case frame
    /// The bytes are a method's number and its arguments.
    case call
    /// The same, with a request's client and number before the arguments.
    case once
    /// The bytes are the id of a call to cancel; none when the peer goes.
    case leave
}

/// A hub and its peers.
///
/// `@unchecked`: libFuzzer gives its inputs one by one, on one thread.
private final class Hub: @unchecked Sendable {
    private let transport = FuzzTransport()
    private let system: ZProcSystem
    private let store: any StateStore
    private var peers = (0..<4).map { PeerID([UInt8($0)]) }
    /// Whoever comes back is another peer.
    private var lastPeer: UInt64 = 0
    private let honest = PeerID([255])
    private let encoder = MessagePackEncoder()
    private var lastHonestCall: UInt64 = 0
    private var count = 0
    private static let ownNamespace = "the honest peer's"

    init(_ engine: StateOptions.Engine) throws {
        var history = StateOptions(engine: engine)
        history.history.count = 64
        let states = try StateTable.own(history, on: .threads, beside: nil)
        guard let store = states.own else { throw Failure("no state") }
        self.store = store
        let endpoint = try Endpoint(.inproc, "fuzz")
        let place = ProcessPlace(depth: 0, threadCount: 1, options: ContextOptions())
        system = ZProcSystem(transports: Transports(all: transport), states: states, place: place) { endpoint }
        var limits = HubLimits()
        limits.peers = 6
        limits.callsInFlight = 20
        limits.namespaces = 8
        _ = try system.node.publish(at: endpoint, AccessPolicy(limits: limits))
        transport.listener.receive(hello("honest"), from: honest)
        increment()
    }

    func run(_ bytes: ArraySlice<UInt8>, greets: Bool) {
        if greets { for peer in peers { transport.listener.receive(hello("fuzz"), from: peer) } }
        var rest = bytes, ids = [UInt64](repeating: 0, count: peers.count)
        while let first = rest.popFirst(), let size = rest.popFirst() {
            let content = rest.prefix(Int(size))
            rest = rest.dropFirst(Int(size))
            let number = Int(first >> 2 & 3)
            take(Step(rawValue: first & 3) ?? .frame, content, by: number, &ids[number])
        }
        increment()
        for number in peers.indices { lose(number) }
        wait(for: "an end of the calls") { system.node.publishedCounts.calls == 0 }
        precondition(system.node.publishedCounts.peers == 1, "peers are left")
        transport.listener.forgetAnswers()
        cleanUp()
    }

    private func lose(_ number: Int) {
        transport.listener.lose(peers[number])
        lastPeer += 1
        peers[number] = PeerID(withUnsafeBytes(of: lastPeer) { [UInt8(number)] + $0 })
    }

    private func take(_ step: Step, _ content: ArraySlice<UInt8>, by number: Int, _ id: inout UInt64) {
        let peer = peers[number]
        var content = content
        var message: [UInt8]?
        switch step {
        case .frame: message = Array(content)
        case .call, .once:
            guard let place = content.popFirst() else { return }
            let (service, method) = HubTarget.methods[Int(place) % HubTarget.methods.count]
            var request: UpdateRequest?
            if step == .once, let client = content.popFirst(), let number = content.popFirst() {
                request = UpdateRequest(client: UInt64(client), number: UInt64(number), answered: UInt64(number) / 2)
            }
            id += 1
            let call = Envelope.call(
                CallID(id),
                service: service,
                method: method,
                arguments: content,
                request: request
            )
            message = call.encoded()
        case .leave:
            if let number = content.first {
                message = Envelope.cancel(CallID(UInt64(number))).encoded()
            } else {
                lose(number)
            }
        }
        if let message { transport.listener.receive(message, from: peer) }
    }

    /// The honest peer counts, and is told the sum.
    private func increment() {
        lastHonestCall += 1
        count += 1
        let id = CallID(lastHonestCall), peer = honest
        do {
            let arguments = try encoder.encode([.string(Self.ownNamespace), 1, "count", 1] as [Value])
            let call = Envelope.call(id, service: "state", method: "increment", arguments: arguments[...])
            transport.listener.receive(call.encoded(), from: peer)
            var answer: Envelope?
            wait(for: "the honest peer's answer") {
                answer = transport.listener.answer(to: id, of: peer)
                return answer != nil
            }
            let expected = Envelope.success(id, result: try encoder.encode([count])[...])
            precondition(answer == expected, "the honest peer was told \(String(describing: answer))")
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// Each input finds the state empty.
    private func cleanUp() {
        let flag = Flag(), store = store
        Task {
            for name in try store.namespaces() where name != Self.ownNamespace {
                try await store.engine(for: name).drop(by: Origin(number: 1), once: nil)
            }
            flag.raise()
        }
        wait(for: "an empty state") { flag.isRaised }
    }

    private func hello(_ build: String) -> [UInt8] {
        Envelope.hello(PeerInfo(build: build, node: NodeID(number: 1), processID: 1)).encoded()
    }

    private func wait(for what: String, _ condition: () -> Bool) {
        var pauses = 0
        while !condition() {
            pauses += 1
            precondition(pauses < 2_000_000, "waited too long for \(what)")
            if pauses < 50 { sched_yield() } else { usleep(10) }
        }
    }
}
