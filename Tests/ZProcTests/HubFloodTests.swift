// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import MessagePack
import Testing
import ZProc
import ZProcCore
import ZeroMQ

/// Keeps a state of little history and lets others in, until it is killed.
private func serve(at address: String, engine: String) async throws {
    let history = HistoryLimits(count: 1_000, byteCount: 1 << 20)
    let engine = StateOptions.Engine(rawValue: engine) ?? .automatic
    let hub = try Context(.threads, state: StateOptions(engine: engine, history: history))
    var options = HubOptions()
    options.limits.namespaces = 100
    // Peers that go while they are held up once had libzmq abort the hub.
    options.limits.requestBacklog = 20
    try hub.publish(at: address, options)
    try await Task.sleep(for: .seconds(100_000))
}

/// Peers that say anything, and others that mean well.
@Suite(.tags(.fault, .state, .process), .timeLimit(.minutes(60))) struct HubFloodTests {
    @Test(arguments: StateOptions.Engine.allCases.filter { $0 != .automatic })
    func aFloodOfNonsenseHarmsNobody(with engine: StateOptions.Engine) async throws {
        let frameCount = Environment.number("ZPROC_FLOOD_FRAMES", default: 10_000)
        var random = SeededRandom.announced("flood")
        try await withHub(engine) { hub, client in
            // What a hub takes once, whoever comes: buffers, caches, the past that it keeps.
            try await flood(hub.address, frameCount: max(2_000, frameCount / 10), &random)
            try await waitForQuiet(client)
            let before = try memory(of: hub.processID), start = ContinuousClock.now
            let isDone = Flag()
            let honest = Task {
                let state = client.state(namespace: "honest")
                var acknowledged = 0
                while !isDone.isRaised || acknowledged < 100 {
                    acknowledged += 1
                    #expect(try await state.increment("count") == acknowledged)
                    try await state.append(acknowledged, to: "last")
                    if acknowledged.isMultiple(of: 100) {
                        let last = try await state.remove("last", as: [Int].self)
                        #expect(last == Array(acknowledged - 99...acknowledged))
                    }
                }
                return acknowledged
            }
            try await flood(hub.address, frameCount: frameCount, &random)
            let time = ContinuousClock.now - start
            isDone.raise()
            let acknowledged = try await honest.value
            #expect(try await client.state(namespace: "honest").get("count", as: Int.self) == acknowledged)
            // Who has gone is forgotten, with all that waited for it.
            try await waitForQuiet(client)
            let after = try memory(of: hub.processID)
            #expect(after < before + 64 << 20, "the hub had \(before) bytes, and has \(after)")
            #expect(isAlive(hub.processID))
            print(
                "flood, \(engine) engine: \(frameCount) frames in \(time), \(acknowledged) honest updates; memory "
                    + "\(before >> 20) MiB before, \(after >> 20) MiB after"
            )
        }
    }

    /// Those that go without a word are found out.
    @Test func whoHasGoneIsForgotten() async throws {
        try await withHub(.memory) { hub, client in
            var random = SeededRandom.announced("visitors")
            for _ in 0..<5 {
                let zmq = try SocketContext()
                var visitors: [Visitor] = []
                for _ in 0..<20 {
                    let visitor = try Visitor(at: hub.address, in: zmq)
                    try await visitor.send(Nonsense.hello)
                    try await visitor.send(Nonsense.wait(CallID(1)))
                    visitors.append(visitor)
                }
                try await eventually { try await client.ping().hub.callsInFlight == 20 }
                #expect(try await client.ping().hub.clients == 21)
                // Some one by one, the others at once.
                for visitor in visitors where Bool.random(using: &random) { visitor.leave() }
                await zmq.shutdown()
                try await waitForQuiet(client)
            }
        }
    }

    // MARK: Parts

    private struct Hub {
        let address: String
        let processID: Int
    }

    private func withHub(
        _ engine: StateOptions.Engine,
        _ body: (Hub, Context) async throws -> Void
    ) async throws {
        let address = "tcp://127.0.0.1:\(try freePort())", engine = engine.rawValue
        try await withContext(.processes) { context in
            let hub = try await context.spawn(name: "hub") { try await serve(at: address, engine: engine) }
            var made: Context?
            try await eventually {
                made = try? await Context(connectingTo: address, backend: .threads, options: HubWay.tcp.options)
                return made != nil
            }
            let client = try #require(made)
            do {
                try await body(Hub(address: address, processID: try #require(hub.pid)), client)
            } catch {
                await client.shutdown()
                throw error
            }
            await client.shutdown()
            await hub.stop()
        }
    }

    /// Waits until the client is the only one, and nothing is under way for others.
    private func waitForQuiet(_ client: Context) async throws {
        try await eventually(within: .seconds(60)) {
            let hub = try await client.ping().hub
            return hub.clients == 1 && hub.callsInFlight == 0
        }
    }

    private func memory(of processID: Int) throws -> Int {
        let file = try #require(fopen("/proc/\(processID)/statm", "r"))
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 256)
        let count = fread(&text, 1, text.count, file)
        let words = String(decoding: text.prefix(count), as: UTF8.self).split(separator: " ")
        return try #require(words.count > 1 ? Int(words[1]) : nil) * sysconf(Int32(_SC_PAGESIZE))
    }

    /// Sends frames from four sides, each of which comes and goes.
    private func flood(_ address: String, frameCount: Int, _ random: inout SeededRandom) async throws {
        let seeds = (0..<4).map { _ in random.next() }
        try await withThrowingTaskGroup { group in
            for seed in seeds {
                group.addTask {
                    try await pour(frameCount / seeds.count, to: address, SeededRandom(state: seed))
                }
            }
            try await group.waitForAll()
        }
    }

    private func pour(_ frameCount: Int, to address: String, _ seeded: SeededRandom) async throws {
        var random = seeded
        let zmq = try SocketContext()
        var left = frameCount
        while left > 0 {
            let visitor = try Visitor(at: address, in: zmq, linger: .seconds(random.next() % 5))
            var nonsense = Nonsense(random)
            // Some call before they say hello.
            if nonsense.chance(9, of: 10) { try await visitor.send(Nonsense.hello) }
            for _ in 0..<min(left, nonsense.random(1...2_000)) {
                if nonsense.chance(1, of: 50) {
                    try await visitor.send(parts: (0..<nonsense.random(1...4)).map { _ in nonsense.frame() })
                } else {
                    try await visitor.send(nonsense.frame())
                }
                left -= 1
            }
            random = nonsense.generator
            visitor.leave()
        }
        await zmq.shutdown()
    }
}

/// A connection whose answers are thrown away, when they are such as a listener may give.
private final class Visitor: Sendable {
    private let socket: Socket

    init(at address: String, in zmq: SocketContext, linger: Duration = .zero) throws {
        socket = try zmq.makeSocket(.dealer)
        try socket.set(.linger, to: linger)
        try socket.deliver { batch in
            var batch = batch
            while let answer = batch.popFirst() {
                let frames = [[UInt8]](answer)
                #expect(frames.count == 1)
                for message in frames.first.flatMap({ Bundle.messages(in: $0) }) ?? frames {
                    switch try? Envelope(decoding: message) {
                    case .welcome, .refused, .success, .failure, .probe: break
                    case .hello, .call, .cancel, .alias, .aliasedCall, nil: Issue.record("the hub sent \(frames)")
                    }
                }
            }
        }
        try socket.connect(to: address)
    }

    func send(_ frame: [UInt8]) async throws { try await socket.send(Message(frame)) }
    func send(parts: [[UInt8]]) async throws { try await socket.send(Multipart(parts)) }
    func leave() { socket.close() }
}

/// Frames that a hub should not be sent, and some that it may be.
private struct Nonsense {
    private(set) var generator: SeededRandom
    private var lastID: UInt64 = 0
    private var lastAlias: UInt64 = 0

    init(_ generator: SeededRandom) { self.generator = generator }

    static let hello = Envelope.hello(PeerInfo(build: "another", node: NodeID(number: 7), processID: 1)).encoded()

    /// A call that waits for a change of what nobody changes.
    static func wait(_ id: CallID) -> [UInt8] { call(id, "nextRecords", ["quiet", 0, 10]) }

    mutating func random(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

    mutating func chance(_ count: Int, of all: Int) -> Bool { random(1...all) <= count }

    mutating func frame() -> [UInt8] { chance(1, of: 20) ? bundle() : message() }

    /// Messages that go together, or would if they were fewer, or none of them empty.
    private mutating func bundle() -> [UInt8] {
        let messages = (0..<random(0...(chance(1, of: 10) ? 200 : 20))).map { _ in message() }
        if chance(1, of: 2) { return Bundle.joined([Self.hello] + messages)[0] }
        let bundle = FieldWriter.bytes(count: 1 + messages.count, first: 8) { writer in
            for message in messages { writer.append(message) }
        }
        return chance(1, of: 4) ? mutated(bundle) : bundle
    }

    private mutating func message() -> [UInt8] {
        switch random(0...19) {
        case 0: return garbage()
        case 1: return Self.hello
        case 2: return answer()
        case 3: return Array(call().prefix(random(0...40)))
        case 4: return call() + garbage()
        case 5: return deep()
        case 6: return overlong()
        case 7: return wanted()
        case 8: return Self.wait(nextID())
        case 9: return Envelope.cancel(CallID(UInt64(random(0...3_000)))).encoded()
        case 10...14: return mutated(call())
        case 15: return mutated(Self.hello)
        case 16: return Self.call(nextID(), "get", [.string("asked-\(random(0...1_000_000))"), "key"])
        case 17: return chance(1, of: 2) ? alias() : aliasedCall()
        default: return call()
        }
    }

    /// Often the next one, whatever has become of those before.
    private mutating func alias() -> [UInt8] {
        let number = chance(1, of: 5) ? generator.next() : lastAlias
        lastAlias += 1
        let method = chance(1, of: 20) ? String(repeating: "m", count: random(1_000...2_000)) : "increment"
        return Envelope.alias(number, service: "state", method: method).encoded()
    }

    private mutating func aliasedCall() -> [UInt8] {
        let alias = chance(1, of: 5) ? generator.next() : UInt64(random(0...Int(min(100, lastAlias))))
        return Envelope.aliasedCall(nextID(), alias: alias, arguments: garbage()[...]).encoded()
    }

    private mutating func nextID() -> CallID {
        // Mostly in order; now and then far ahead, behind, or again.
        if chance(1, of: 50) { return CallID(generator.next()) }
        if chance(1, of: 20) { return CallID(lastID) }
        lastID += UInt64(random(1...2))
        return CallID(lastID)
    }

    private mutating func garbage() -> [UInt8] { (0..<random(0...64)).map { _ in UInt8(random(0...255)) } }

    private mutating func mutated(_ frame: [UInt8]) -> [UInt8] {
        var frame = frame
        for _ in 0..<random(1...4) where !frame.isEmpty {
            let place = random(0...frame.count - 1)
            switch random(0...3) {
            case 0: frame[place] = UInt8(random(0...255))
            case 1: frame[place] ^= 1 << UInt8(random(0...7))
            case 2: frame.remove(at: place)
            default: frame.insert(UInt8(random(0...255)), at: place)
            }
        }
        return frame
    }

    /// What only a hub may send.
    private mutating func answer() -> [UInt8] {
        switch random(0...4) {
        case 0: Envelope.success(nextID(), result: garbage()[...]).encoded()
        case 1: Envelope.failure(nextID(), WireError(code: "x", message: "y", payload: garbage())).encoded()
        case 2: Envelope.refused("no").encoded()
        case 3: Envelope.probe.encoded()
        default: Envelope.welcome(PeerInfo(build: "b", node: NodeID(number: 1), processID: 1)).encoded()
        }
    }

    private mutating func deep() -> [UInt8] {
        let depth = random(1...5_000)
        let levels = [UInt8](repeating: chance(1, of: 2) ? 0x91 : 0x81, count: depth)
        if chance(1, of: 2) { return levels + [0xc0] }
        let arguments: ArraySlice<UInt8> = [0x94, 0xa1, 0x61, 1, 0xa1, 0x62] + levels + [0xc0]
        return Envelope.call(nextID(), service: "state", method: "set", arguments: arguments).encoded()
    }

    /// A count of what is not there.
    private mutating func overlong() -> [UInt8] {
        let marker = [0xdb, 0xc6, 0xc9, 0xdd, 0xdf].randomElement(using: &generator) ?? 0xdd
        let claim: [UInt8] = [UInt8(marker), 0xff, 0xff, 0xff, UInt8(random(0...255))] + garbage()
        if chance(1, of: 3) { return [0x95, 3, UInt8(random(0...127))] + claim }
        let start: ArraySlice<UInt8> = chance(1, of: 2) ? [] : [0x94, 0xa1, 0x61, 1, 0xa1, 0x62]
        return Envelope.call(nextID(), service: "state", method: "set", arguments: start + claim).encoded()
    }

    /// A version of the protocol that is not spoken, or a number out of range.
    private mutating func wanted() -> [UInt8] {
        let version = Int(truncatingIfNeeded: generator.next() >> UInt64(random(1...63)))
        return Envelope.hello(PeerInfo(protocolVersion: version, build: "", node: NodeID(number: 0), processID: 0))
            .encoded()
    }

    private static func call(_ id: CallID, _ method: String, _ arguments: [Value]) -> [UInt8] {
        let bytes = (try? MessagePackEncoder().encode(arguments)) ?? []
        return Envelope.call(id, service: "state", method: method, arguments: bytes[...]).encoded()
    }

    private static let methods = [
        "get", "contains", "count", "keys", "snapshot", "snapshotAt", "namespaces", "set", "set", "set", "remove",
        "popAny", "setIfAbsent", "merge", "replaceAll", "clear", "increment", "append", "compareAndSet", "update",
        "mergeWith", "updateModel", "span", "records", "history", "restore", "drop", "",
    ]
    private static let services = ["state", "state", "state", "state", "hub", "process", "swarm", "actor", "host", "x"]

    /// A call with arguments of any types, often the right ones.
    private mutating func call() -> [UInt8] {
        let method = Self.methods.randomElement(using: &generator) ?? ""
        let service = Self.services.randomElement(using: &generator) ?? ""
        var arguments: [Value] = [.string("flood-\(random(0...9))")]
        let types = random(0...9)
        for place in 0..<random(0...4) {
            let isRight = types > 2
            switch isRight ? place : random(0...9) {
            case 0: arguments.append(.uint(generator.next() >> 1))
            case 1: arguments.append(.string("key-\(random(0...20))"))
            case 2: arguments.append(chance(1, of: 2) ? .array([.int(Int64(random(0...9)))]) : 5)
            case 3: arguments.append(.array([]))
            case 4: arguments.append(.nil)
            case 5: arguments.append(.map(["a": .double(.nan), "b": .int(.min)]))
            case 6: arguments.append(.binary(garbage()))
            case 7: arguments.append(.uint(.max))
            case 8: arguments.append(.string(String(repeating: "k", count: random(0...600))))
            default: arguments.append(.ext(type: -1, garbage()))
            }
        }
        let bytes = (try? MessagePackEncoder().encode(arguments)) ?? []
        var request: UpdateRequest?
        if chance(1, of: 4) {
            let number = UInt64(random(1...1_000))
            request = UpdateRequest(client: UInt64(random(1...10)), number: number, answered: number - 1)
        }
        return Envelope.call(nextID(), service: service, method: method, arguments: bytes[...], request: request)
            .encoded()
    }
}
