// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import MessagePack
import Testing
import ZProc
import ZProcCore
import ZProcTransports
import ZeroMQ

@Suite(.tags(.fault), .timeLimit(.minutes(5))) struct BadInputTests {
    @Test func anUnknownBackendNamesTheChoices() throws {
        let error = try #require(throws: BackendError.self) { try Backend(named: "fibers") }
        #expect(error.description == "there is no backend 'fibers'; choose threads or processes")
        #expect(try Backend(named: "threads") == .threads)
    }

    @Test(arguments: [
        "", "nonsense", "tcp://", "tcp://localhost", "tcp://h:99999", "udp://x:1", "ipc://", "ipc:///tmp/a\nb",
    ])
    func aBadAddressIsATypedError(_ address: String) throws {
        let error = try #require(throws: TransportError.self) { try Context(.processes, address: address) }
        #expect(error.code == .invalidEndpoint)
        #expect(!error.description.contains("\n"))
    }

    @Test(arguments: [0, -1, .min], Backend.allCases)
    func optionsThatCannotBeAreErrors(_ callsInFlight: Int, on backend: Backend) throws {
        var options = ContextOptions()
        options.callsInFlight = callsInFlight
        let error = try #require(throws: SpawnError.self) { try Context(backend, options: options) }
        #expect(error.message.contains("callsInFlight"))
    }

    @Test(arguments: [0, -1, 1_025, .max], Backend.allCases)
    func threadsThatCannotBeAreErrors(_ threadCount: Int, on backend: Backend) throws {
        var options = ContextOptions()
        options.threadCount = threadCount
        let error = try #require(throws: SpawnError.self) { try Context(backend, options: options) }
        #expect(error.message.contains("threadCount"))
    }

    @Test(arguments: Backend.allCases)
    func aClientsOptionsAreLookedAtBeforeItConnects(_ backend: Backend) async throws {
        var options = ContextOptions()
        options.threadCount = 0
        let error = try #require(
            await #expect(throws: SpawnError.self) {
                try await Context(connectingTo: "tcp://127.0.0.1:1", backend: backend, options: options)
            }
        )
        #expect(error.message.contains("threadCount"))
    }

    /// In a process of its own, because a working directory is everybody's.
    @Test func aRelativePathIsOneOfTheWorkingDirectory() async throws {
        try await withTemporaryDirectory { directory in
            try await withContext(.processes) { context in
                var options = ProcessOptions()
                options.workingDirectory = directory
                let addresses = try await context.spawn(options: options) {
                    try await withContext(.processes, address: "ipc://hub.sock") { inner in
                        var elsewhere = ProcessOptions()
                        elsewhere.workingDirectory = "/"
                        let below = try await inner.spawn(options: elsewhere) {
                            _ = try await inner.spawn { 1 }.value
                            return try inner.address
                        }
                        return [try inner.address, try await below.value, "\(below.pid ?? 0)"]
                    }
                }.value
                #expect(addresses[0] == "ipc://\(directory)/hub.sock")
                #expect(addresses[1] == "ipc://\(directory)/\(addresses[2])")
            }
        }
    }

    /// A context removes the directories of contexts that were killed; others may put there what looks like one.
    @Test func onlyOnesOwnDirectoriesAreSwept() async throws {
        try await withTemporaryDirectory { parent in
            try await withTemporaryDirectory { victim in
                try write("", to: "\(victim)/owner.lock")
                try write("precious", to: "\(victim)/file")
                let link = "\(parent)/zproc-\(getuid())-victim", left = "\(parent)/zproc-\(getuid())-left"
                #expect(symlink(victim, link) == 0)
                #expect(mkdir(left, 0o700) == 0)
                try write("", to: "\(left)/owner.lock")
                try write("", to: "\(left)/hub")
                try await withContext(.processes) { context in
                    var options = ProcessOptions()
                    options.environment = ["XDG_RUNTIME_DIR": parent]
                    try await context.spawn(options: options) {
                        try await withContext(.processes) { inner in _ = try inner.address }
                    }.value
                }
                #expect(files(in: victim) == ["file", "owner.lock"])
                // What is swept is.
                #expect(files(in: parent) == ["zproc-\(getuid())-victim"])
            }
        }
    }

    @Test func aPathTooLongForASocketSaysSo() throws {
        let address = "ipc:///tmp/" + String(repeating: "x", count: 200)
        let error = try #require(throws: TransportError.self) { try Context(.processes, address: address) }
        #expect(error.message.contains("107"))
    }

    @Test func aPortInUseIsATypedErrorAndTheOwnerLivesOn() async throws {
        try await withContext(.processes, address: "tcp://127.0.0.1:*") { context in
            let address = try context.address
            try await withContext(.processes, address: address) { second in
                let error = try #require(throws: TransportError.self) { try second.address }
                #expect(error.code == .addressInUse)
                await #expect(throws: TransportError.self) { try await second.spawn { 1 } }
            }
            #expect(try await context.spawn { 1 }.value == 1)
        }
    }

    @Test func anIPCAddressInUseIsATypedErrorAndTheOwnerLivesOn() async throws {
        let address = "ipc:///tmp/zproc-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try await withContext(.processes, address: address) { context in
            #expect(try context.address == address)
            try await withContext(.processes, address: address) { second in
                let error = try #require(throws: TransportError.self) { try second.address }
                #expect(error.code == .addressInUse)
            }
            #expect(try await context.spawn { 1 }.value == 1)
        }
        #expect(access(String(address.dropFirst("ipc://".count)), F_OK) != 0)
    }

    @Test func anEndpointWithoutPermissionIsATypedError() async throws {
        // Root may do anything, but nobody can make a socket there.
        try await withContext(.processes, address: "ipc:///proc/zproc.sock") { context in
            let error = try #require(throws: TransportError.self) { try context.address }
            #expect(error.code == .permissionDenied || error.code == .invalidEndpoint)
            #expect(error.message.contains("/proc/zproc.sock"))
        }
    }

    @Test(arguments: [("/nonexistent", ENOENT), ("/etc/passwd", EACCES)])
    func aProgramThatCannotBeStartedIsATypedError(_ program: String, _ number: Int32) async throws {
        let context = try Context(.processes, address: nil, program: program)
        let error = try await #require(throws: SpawnError.self) { try await context.spawn { 1 } }
        #expect(error.errorNumber == number)
        #expect(error.message.contains(program))
        try await context.state.set("still", to: "here")
        await context.shutdown()
    }

    @Test func aProgramThatEndsWithoutAnsweringIsATermination() async throws {
        let context = try Context(.processes, address: nil, program: "/bin/false")
        let process = try await context.spawn { 1 }
        let error = try await #require(throws: ProcessTermination.self) { try await process.value }
        #expect(error.cause == .exit(status: 1))
        await context.shutdown()
    }

    @Test(arguments: ContextOptions.Transport.allCases)
    func garbageLeavesTheHubAlive(over transport: ContextOptions.Transport) async throws {
        var options = ContextOptions()
        options.transport = transport
        try await withContext(.processes, options: options) { context in
            try await context.state.set("key", to: "kept")
            var random = SystemRandomNumberGenerator()
            let sender: any Transport = transport == .zeroMQ ? ZeroMQTransport() : UnixSocketTransport()
            let answers = CollectingReceiver()
            let link = try sender.connect(to: Endpoint(context.address), receiver: answers)
            let known: [[UInt8]] = [
                [], [0x90], [0x91, 0x03], [0xc1], [0x95, 0x03, 0x01, 0xa1, 0x78, 0xa1, 0x79, 0xc4, 0x00],
                [0x96, 0x00, 0xa5] + Array("zproc".utf8) + [0x63, 0xa1, 0x62, 0x01, 0x01],
                [0x95, 0x03, 0x01, 0xdb, 0xff, 0xff, 0xff, 0xff],
            ]
            // An empty message is none on a stream.
            for message in known where transport == .zeroMQ || !message.isEmpty { try link.send(message) }
            for _ in 0..<2_000 {
                try link.send(
                    (0..<Int.random(in: 1..<64, using: &random)).map { _ in
                        UInt8.random(in: 0...255, using: &random)
                    }
                )
            }
            // A wrong protocol version gets an answer that says so; so does everything else here.
            try await eventually { answers.messages.count > 2_000 }
            #expect(answers.messages.allSatisfy { $0.first == 0x92 })
            let state = context.state
            #expect(try await context.spawn { try await state.get("key", as: String.self) }.value == "kept")
            link.close()
            await sender.shutdown()
        }
    }

    @Test func helloAgainDoesNotLiftTheLimitOfRequests() async throws {
        var options = HubOptions()
        options.limits.requestsPerSecond = 5
        try await withContext(.threads) { hub in
            let zmq = try SocketContext()
            let socket = try zmq.makeSocket(.dealer)
            try socket.connect(to: hub.publish(at: "tcp://127.0.0.1:*", options))
            let hello = Envelope.hello(PeerInfo(build: "again", node: .random(), processID: 1)).encoded()
            var refused = 0
            for number in 1...50 {
                let id = CallID(UInt64(number))
                let ping = Envelope.call(id, service: "hub", method: "ping", arguments: [0x90]).encoded()
                for message in [hello, ping] { try await socket.send(Message(message)) }
                _ = try await socket.receive()
                let answer = try Envelope(decoding: Array(try await socket.receive()))
                if case .failure(_, let error) = answer, error.code == "overLimit" { refused += 1 }
            }
            #expect(refused > 0)
            socket.close()
            await zmq.shutdown()
        }
    }

    @Test func helloAgainDoesNotHaveACallCarriedOutTwice() async throws {
        try await withContext(.threads) { hub in
            let zmq = try SocketContext()
            let socket = try zmq.makeSocket(.dealer)
            try socket.connect(to: hub.publish(at: "tcp://127.0.0.1:*"))
            let hello = Envelope.hello(PeerInfo(build: "again", node: .random(), processID: 1)).encoded()
            // ["default", 0, "count", 1]
            let arguments: ArraySlice<UInt8> =
                [0x94, 0xa7] + Array("default".utf8) + [0x00, 0xa5] + Array("count".utf8) + [0x01]
            func increment(_ number: UInt64) -> [UInt8] {
                Envelope.call(CallID(number), service: "state", method: "increment", arguments: arguments).encoded()
            }
            for message in [hello, increment(1), hello, increment(1), increment(2)] {
                try await socket.send(Message(message))
            }
            // Calls under way at once are answered in any order.
            var answered: Set<UInt64> = []
            while answered != [1, 2] {
                if case .success(let id, _) = try Envelope(decoding: Array(try await socket.receive())) {
                    answered.insert(id.number)
                }
            }
            try await socket.send(Message(increment(3)))
            while !answered.contains(3) {
                if case .success(let id, _) = try Envelope(decoding: Array(try await socket.receive())) {
                    #expect(id.number == 3)
                    answered.insert(id.number)
                }
            }
            #expect(try await hub.state.get("count", as: Int.self) == 3)
            socket.close()
            await zmq.shutdown()
        }
    }

    /// A client that says hello in a bundle may be answered in bundles; one that does not is not.
    @Test(arguments: [false, true])
    func onlyThoseGetBundlesThatSayHelloInOne(_ isBundled: Bool) async throws {
        try await withContext(.threads) { hub in
            let zmq = try SocketContext()
            let socket = try zmq.makeSocket(.dealer)
            try socket.connect(to: hub.publish(at: "tcp://127.0.0.1:*"))
            let hello = Envelope.hello(PeerInfo(build: "many", node: .random(), processID: 1)).encoded()
            let count: UInt64 = 2_000
            let pings = (1...count).map { number in
                // Some are refused at once.
                let service = number % 3 == 0 ? "nobody" : "hub"
                return Envelope.call(CallID(number), service: service, method: "ping", arguments: [0x90]).encoded()
            }
            // What comes later goes in bundles in both cases.
            for message in isBundled ? Bundle.joined([hello]) : [hello] { try await socket.send(Message(message)) }
            for message in Bundle.joined(pings) { try await socket.send(Message(message)) }
            var answered: Set<UInt64> = [], bundles = 0
            while answered.count < Int(count) {
                let frame = Array(try await socket.receive()), bundle = Bundle.messages(in: frame)
                if bundle != nil { bundles += 1 }
                for message in bundle ?? [frame] {
                    switch try Envelope(decoding: message) {
                    case .success(let id, _) where id.number % 3 > 0, .failure(let id, _) where id.number % 3 == 0:
                        #expect(answered.insert(id.number).inserted)
                    case .welcome: #expect(answered.isEmpty)
                    case let other: Issue.record("\(other)")
                    }
                }
            }
            #expect(answered == Set(1...count))
            #expect((bundles > 0) == isBundled)
            socket.close()
            await zmq.shutdown()
        }
    }

    /// Limits hold for each message of a bundle, and one that is too large is refused as a whole.
    @Test func limitsHoldInBundles() async throws {
        var options = HubOptions()
        options.limits.requestsPerSecond = 50
        options.limits.messageByteCount = 1
        try await withContext(.threads) { hub in
            let zmq = try SocketContext()
            let socket = try zmq.makeSocket(.dealer)
            try socket.connect(to: hub.publish(at: "tcp://127.0.0.1:*", options))
            let hello = Envelope.hello(PeerInfo(build: "much", node: .random(), processID: 1)).encoded()
            let pings = (1...1_000).map {
                Envelope.call(CallID($0), service: "hub", method: "ping", arguments: [0x90]).encoded()
            }
            for message in Bundle.joined([hello] + pings) { try await socket.send(Message(message)) }
            let large = FieldWriter.bytes(count: 130, first: 8) { writer in
                for ping in pings.prefix(129) { writer.append(ping) }
            }
            try await socket.send(Message(large))
            var refused = 0, answered = 0, isRefusedAsAWhole = false
            while answered + refused < 1_000 || !isRefusedAsAWhole {
                let frame = Array(try await socket.receive())
                for message in Bundle.messages(in: frame) ?? [frame] {
                    switch try Envelope(decoding: message) {
                    case .success: answered += 1
                    case .failure(_, let error) where error.code == "overLimit": refused += 1
                    case .refused: isRefusedAsAWhole = true
                    default: break
                    }
                }
            }
            #expect(refused > 0 && answered >= 50)
            #expect(refused + answered == 1_000)
            socket.close()
            await zmq.shutdown()
        }
    }

    @Test func aBundleInABundleIsRefused() async throws {
        try await withContext(.threads) { hub in
            let zmq = try SocketContext()
            let socket = try zmq.makeSocket(.dealer)
            try socket.connect(to: hub.publish(at: "tcp://127.0.0.1:*"))
            let hello = Envelope.hello(PeerInfo(build: "deep", node: .random(), processID: 1)).encoded()
            let ping = Envelope.call(CallID(1), service: "hub", method: "ping", arguments: [0x90]).encoded()
            let inner = Bundle.joined([hello])[0]
            for message in Bundle.joined([inner, hello, ping]) { try await socket.send(Message(message)) }
            var answers: [Envelope] = []
            while answers.count < 3 {
                let frame = Array(try await socket.receive())
                answers += try (Bundle.messages(in: frame) ?? [frame]).map { try Envelope(decoding: $0) }
            }
            guard case .refused = answers[0], case .welcome = answers[1], case .success = answers[2] else {
                Issue.record("\(answers)")
                return
            }
            socket.close()
            await zmq.shutdown()
        }
    }

    @Test func garbageToServicesIsAnsweredWithErrors() async throws {
        let caller = try Context(.threads), callee = try Context(.threads)
        let address = try callee.system.address()
        for (service, method) in [
            ("state", "get"), ("state", "set"), ("state", "update"), ("state", "nonsense"), ("process", "job"),
            ("process", "finished"), ("process", "x"), ("actor", "x"), ("nothing", "x"),
        ] {
            for arguments in [[], [0xc1], [0x93, 1, 2, 3], [0x92, 0xa1, 0x61, 0xc0]] as [[UInt8]] {
                await #expect(throws: (any Error).self, "\(service).\(method) \(arguments)") {
                    _ = try await caller.system.call(service, method, arguments: arguments, at: address)
                }
            }
        }
        #expect(try await callee.state.count() == 0)
        await caller.shutdown()
        await callee.shutdown()
    }

    @Test(arguments: StateWay.all)
    func hostileArgumentsToTheStateAreAnswered(_ way: StateWay) async throws {
        let methods = [
            "get", "contains", "count", "keys", "snapshot", "snapshotAt", "namespaces", "set", "remove", "popAny",
            "setIfAbsent", "merge", "replaceAll", "clear", "increment", "append", "compareAndSet", "update",
            "mergeWith",
            "updateModel", "span", "records", "history", "restore", "drop", "nextRecords",
        ]
        let strings: [Value] = ["a", "b", "", .string(String(repeating: "k", count: 481)), "\0"]
        let numbers: [Value] = [0, 1, -1, .int(.min), .int(.max), .uint(.max), .double(.nan), .double(1e300)]
        let others: [Value] = [
            .nil, true, .binary([]), .array([]), .map([:]), .array([1, .uint(.max)]), .map(["a": 1, "b": .int(.max)]),
            .map([1: 2]), .array([.array([.array([])])]),
        ]
        var random = SeededRandom.announced("hostile arguments")
        let caller = try Context(.threads), callee = try Context(.threads, state: way.options)
        let address = try callee.system.address()
        for method in methods {
            for _ in 0..<100 {
                var arguments: [Value] = ["a"]
                for _ in 0..<Int.random(in: 0...4, using: &random) {
                    let pool = [strings, numbers, others].randomElement(using: &random) ?? others
                    arguments.append(pool.randomElement(using: &random) ?? .nil)
                }
                let bytes = try MessagePackEncoder().encode(arguments)
                let call = Task {
                    _ = try? await caller.system.call("state", method, arguments: bytes, at: address)
                }
                // It waits for a change that may never come.
                if method == "nextRecords" { call.cancel() }
                await call.value
            }
        }
        let state = callee.state(namespace: "a")
        try await state.set("still", to: "here")
        #expect(try await state.get("still", as: String.self) == "here")
        await caller.shutdown()
        await callee.shutdown()
    }

    @Test func messagesOverTheLimitAreRefusedBeforeTheyAreSent() async throws {
        try await withContext(.processes) { context in
            let large = [UInt8](repeating: 0, count: Envelope.maximumByteCount + 1)
            let address = try context.system.address()
            let error = try await #require(throws: TransportError.self) {
                _ = try await context.system.call("state", "get", arguments: large, at: address)
            }
            #expect(error.code == .tooLarge)
            await #expect(throws: SpawnError.self) { try await context.spawn(large) { $0.count } }
            #expect(try await context.spawn { 1 }.value == 1)
        }
    }

    /// The runtime ends a program that starts a task of a priority it does not know.
    @Test func aPriorityOfAPeerIsOneThereIs() async throws {
        let caller = try Context(.threads), callee = try Context(.threads)
        let counter = Counter(actorSystem: callee.system)
        let address = try callee.system.address()
        var circumstances: [Value] = (UInt8.min...UInt8.max).map { .array([.nil, .uint(UInt64($0))]) }
        // Times that are over, and the longest there is.
        circumstances += [[-1, 21], [0, 21], [.int(.min), 21], [.int(.max), 21]]
        for one in circumstances {
            let arguments: [Value] = [.uint(1), .array([]), one]
            let error = try await #require(throws: CallError.self) {
                _ = try await caller.system.call(
                    "actor",
                    "there is no such method",
                    arguments: MessagePackEncoder().encode(arguments),
                    at: address
                )
            }
            #expect(error.code == .methodNotFound)
        }
        #expect(try await counter.increment(by: 1) == 1)
        await caller.shutdown()
        await callee.shutdown()
    }

    /// The usual form is read by hand; a value has others.
    @Test func argumentsOfTheStateAreTakenInAnyForm() async throws {
        let caller = try Context(.threads), callee = try Context(.threads)
        let address = try callee.system.address()
        func call(_ method: String, _ bytes: [UInt8]) async throws -> ArraySlice<UInt8> {
            try await caller.system.call("state", method, arguments: bytes, at: address)
        }
        let namespace = Array(callee.state.namespace.utf8), count = UInt8(namespace.count)
        let namespaces = [[0xa0 | count], [0xd9, count], [0xda, 0, count], [0xdb, 0, 0, 0, count]].map {
            $0 + namespace
        }
        let origins: [[UInt8]] = [[7], [0xcc, 7], [0xd0, 7], [0xd3, 0, 0, 0, 0, 0, 0, 0, 7]]
        let keys: [[UInt8]] = [[0xa1, 0x6b], [0xd9, 1, 0x6b], [0xdb, 0, 0, 0, 1, 0x6b]]
        let values: [[UInt8]] = [[5], [0xcd, 0, 5], [0x92, 1, 0x81, 0xa1, 0x61, 0xc0]]
        for (place, namespace) in namespaces.enumerated() {
            for origin in origins {
                for key in keys {
                    let header: [UInt8] = place == 0 ? [0x94] : [0xdc, 0, 4]
                    for value in values {
                        #expect(try await call("set", header + namespace + origin + key + value) == [0x90])
                        #expect(try await call("get", [0x92] + namespace + key) == [0x91] + value)
                    }
                    #expect(try await call("contains", [0x92] + namespace + key) == [0xc3])
                    #expect(try await call("remove", [0x93] + namespace + origin + key) == [0x91] + values[2])
                    // Too few, cut off, no text.
                    for wrong in [
                        [0x93] + namespace + origin + key,
                        [0x94] + namespace + origin + key, [0x94] + namespace + origin + key + [0xc1],
                        [0x94] + namespace + origin + [0xa1, 0xff, 5], [0x94] + namespace + origin + key + [5, 5],
                        [0xdd, 0xff, 0xff, 0xff, 0xff] + namespace, [],
                    ] {
                        let error = try await #require(throws: CallError.self) { _ = try await call("set", wrong) }
                        #expect(error.code == .badArguments)
                    }
                }
            }
        }
        // Elements beyond those that a method takes are ignored.
        #expect(try await call("set", [0x95] + namespaces[0] + origins[0] + keys[0] + [5, 6]) == [0x90])
        // The array of the arguments is one level of the depth that there may be.
        for (depth, isTaken) in [(510, true), (511, true), (512, false), (513, false)] {
            let deep = [UInt8](repeating: 0x91, count: depth) + [1]
            let arguments = [0x94] + namespaces[0] + origins[0] + keys[0] + deep
            if isTaken {
                #expect(try await call("set", arguments) == [0x90])
                #expect(try await call("get", [0x92] + namespaces[0] + keys[0]) == [0x91] + deep)
            } else {
                let error = try await #require(throws: CallError.self) { _ = try await call("set", arguments) }
                #expect(error.code == .badArguments)
            }
        }
        await caller.shutdown()
        await callee.shutdown()
    }

    /// Whatever a process says that it is no worker of.
    @Test func whatIsNoMessageOfAWorkerIsAnError() async throws {
        var random = SeededRandom.announced("messages of no worker")
        try await withContext(.threads) { context in
            let caller = try Context(.threads), address = try context.system.address()
            let swarm = try context.swarm(workers: 1)
            let report: Value = [1, 5, 0, .binary([0x90])],
                failure: Value = [1, 5, 1, .binary([0x90]), .binary([0x90])]
            let usual = try MessagePackEncoder().encode([1, 99, true, 1_000, [report, failure, [2, 0, 3]]] as Value)
            for round in 0..<2_000 {
                var bytes = usual
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
                // No worker has this number.
                await #expect(throws: (any Error).self, "round \(round)") {
                    _ = try await caller.system.call("swarm", "next", arguments: bytes, at: address)
                }
            }
            #expect(try await swarm.run(20) { $0 + 1 } == 21)
            await caller.shutdown()
        }
    }

    /// An error of another program, say, says what it was and where.
    @Test func anErrorOfAnUnknownTypeKeepsWhatIsKnownOfIt() async throws {
        let transport = InProcessTransport(), listener = try transport.listen(at: Endpoint(.inproc, "*"))
        let info = PeerInfo(build: "another", node: .random(), processID: 4_711)
        try listener.start(Refuser(listener, info))
        let caller = try Context(.threads), address = NodeAddress(endpoint: listener.endpoint, node: info.node)
        let error = try await #require(throws: RemoteError.self) {
            _ = try await caller.system.call("oven", "bake", arguments: [], at: address)
        }
        #expect(error.typeName == "Burnt")
        #expect(error.message == "at 240: too hot")
        #expect(error.processID == 4_711)
        await caller.shutdown()
        await transport.shutdown()
    }

    @Test func nobodyAtAnAddressIsUnreachable() async throws {
        try await withContext(.processes) { context in
            let nowhere = NodeAddress(endpoint: try Endpoint("ipc:///tmp/zproc-nobody-\(getpid())"), node: .random())
            let error = try await #require(throws: TransportError.self) {
                _ = try await context.system.call("state", "get", arguments: [], at: nowhere)
            }
            #expect(error.code == .unreachable)
        }
    }

    @Test func anotherNodeAtTheSameAddressIsNotTheOneMeant() async throws {
        let caller = try Context(.threads), callee = try Context(.threads)
        var address = try callee.system.address()
        address.node = .random()
        let error = try await #require(throws: TransportError.self) {
            _ = try await caller.system.call("state", "count", arguments: [0x91, 0xa1, 0x61], at: address)
        }
        #expect(error.code == .unreachable)
        await caller.shutdown()
        await callee.shutdown()
    }
}

/// A node that answers calls with an error of a type nobody knows.
private final class Refuser: ListenerReceiver {
    private let listener: any TransportListener
    private let info: PeerInfo

    init(_ listener: any TransportListener, _ info: PeerInfo) {
        self.listener = listener
        self.info = info
    }

    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        switch try? Envelope(decoding: message) {
        case .hello: try? listener.send(Envelope.welcome(info).encoded(), to: peer)
        case .call(let id, _, _, _, _, _):
            let error = WireError(code: "thrown", message: "Burnt: at 240: too hot", type: [0xc1], payload: [0x90])
            try? listener.send(Envelope.failure(id, error).encoded(), to: peer)
        default: break
        }
    }

    func listenerLost(_ peer: PeerID) {}
}
