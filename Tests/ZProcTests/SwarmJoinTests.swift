// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// Workers that join from elsewhere: here other trees of processes of the same machine.
@Suite(.tags(.process), .timeLimit(.minutes(5))) struct SwarmJoinTests {
    /// Runs `body` in a context that others reach over the network, with a spawned body that has joined its swarm.
    private func withMember(
        workers: Int = 2,
        address: String? = "tcp://127.0.0.1:*",
        own: Int = 0,
        options: SwarmOptions = SwarmOptions(),
        _ body: (Context, Swarm, SpawnedProcess<Void>) async throws -> Void
    ) async throws {
        try await withContext(.processes, address: address) { context in
            let swarm = try context.swarm(workers: own, options: options), place = try swarm.address
            let member = try await context.spawn(name: "machine") { try await Swarm.join(place, workers: workers) }
            try await eventually { swarm.readyCount == own + workers }
            try await body(context, swarm, member)
        }
    }

    @Test(arguments: ["tcp://127.0.0.1:*", nil])
    func theyWorkLikeOthersUntilTheSwarmEnds(at address: String?) async throws {
        try await withMember(address: address) { context, swarm, member in
            let state = context.state
            let results = try await swarm.map(0..<10_000) { number in
                if number % 1_000 == 0 { try await state.increment("seen") }
                return number * 2
            }
            #expect(results == (0..<10_000).map { $0 * 2 })
            #expect(try await state.get("seen", default: 0) == 10)
            let pids = Set(try await swarm.map(0..<100) { _ in Int(getpid()) })
            let machine = try #require(member.pid)
            #expect(pids.isDisjoint(with: [Int(getpid()), machine]))
            #expect(swarm.pids.isEmpty)
            #expect(try await swarm.run(20, 22) { $0 + $1 } == 42)
            await swarm.stop()
            try await member.value
            for pid in pids { try await eventually { !isAlive(pid) } }
        }
    }

    @Test func theyAndOthersShareTheWork() async throws {
        try await withMember(own: 1) { _, swarm, _ in
            var pids: Set<Int> = []
            try await eventually {
                pids.formUnion(
                    try await swarm.map(0..<30) { _ in
                        usleep(2_000)
                        return Int(getpid())
                    }
                )
                return pids.count == 3
            }
            swarm.resize(to: 0)
            try await eventually { swarm.readyCount == 2 }
            #expect(try await swarm.map(0..<100) { $0 } == Array(0..<100))
        }
    }

    @Test func whatOneHadWhenItDiedIsDoneAgain() async throws {
        try await withMember { context, swarm, _ in
            let state = context.state
            let results = try await swarm.map(0..<1_000) { number in
                if number % 300 == 150, try await state.increment("died \(number)") == 1 { kill(getpid(), SIGKILL) }
                return number * 2
            }
            #expect(results == (0..<1_000).map { $0 * 2 })
            // Others have taken their places.
            try await eventually { swarm.readyCount == 2 }
        }
    }

    @Test func oneThatTakesTooLongIsEnded() async throws {
        try await withMember { _, swarm, _ in
            var options = MapOptions()
            options.itemTimeout = .seconds(2)
            options.chunkSize = 1
            let results = try await swarm.mapResults(0..<10, options: options) { number in
                if number == 3 { while true { usleep(1_000_000) } }
                return number
            }
            #expect((try? results[3].get()) == nil)
            #expect(results.compactMap { try? $0.get() } == [0, 1, 2, 4, 5, 6, 7, 8, 9])
            try await eventually { swarm.readyCount == 2 }
        }
    }

    @Test func aMachineThatIsSilentIsGivenUp() async throws {
        var options = SwarmOptions()
        options.machineTimeout = .milliseconds(500)
        try await withMember(own: 1, options: options) { context, swarm, member in
            let state = context.state, own = swarm.pids
            let map = Task {
                try await swarm.map(0..<6) { number in
                    try await state.increment("started")
                    // On its machine an item takes for ever, until that has gone.
                    if !own.contains(Int(getpid())) { try await Task.sleep(for: .seconds(1_000)) }
                    return number
                }
            }
            try await state.first { $0["started", default: 0] >= 3 }
            kill(pid_t(try #require(member.pid)), SIGKILL)
            #expect(try await map.value == Array(0..<6))
            try await eventually { swarm.readyCount == 1 }
            // One that comes later is welcome.
            let place = try swarm.address
            let other = try await context.spawn { try await Swarm.join(place, workers: 1) }
            try await eventually { swarm.readyCount == 2 }
            await swarm.stop()
            try await other.value
        }
    }

    /// A stopped machine is silent, and finds when it goes on that it has been given up.
    @Test func aMachineThatComesToItselfJoinsAgain() async throws {
        var options = SwarmOptions()
        options.machineTimeout = .milliseconds(500)
        try await withMember(options: options) { _, swarm, member in
            let pids = Array(Set(try await swarm.map(0..<200) { _ in Int(getpid()) })) + [try #require(member.pid)]
            for pid in pids { kill(pid_t(pid), SIGSTOP) }
            try await eventually { swarm.readyCount == 0 }
            let map = Task { try await swarm.map(0..<100) { $0 } }
            for pid in pids { kill(pid_t(pid), SIGCONT) }
            #expect(try await map.value == Array(0..<100))
            try await eventually { swarm.readyCount == 2 }
        }
    }

    /// Though the swarm's process ends with it, so that there is nobody to ask any more.
    @Test func aMachineThatCameToItselfHearsOfTheEnd() async throws {
        let probe = try Context(.processes, address: "tcp://127.0.0.1:*"), address = try probe.address
        await probe.shutdown()
        try await withContext(.processes) { context in
            let member = try await context.spawn {
                try await Swarm.join(address, workers: 1, patience: .seconds(60))
            }
            let pid = try #require(member.pid)
            let host = try await context.spawn {
                var options = SwarmOptions()
                options.machineTimeout = .milliseconds(500)
                try await withContext(.processes, address: address) { [options] context in
                    let swarm = try context.swarm(workers: 0, options: options)
                    _ = try (swarm.address, await swarm.map(0..<10) { $0 })
                    kill(pid_t(pid), SIGSTOP)
                    while swarm.readyCount > 0 { usleep(1_000) }
                    kill(pid_t(pid), SIGCONT)
                    // It is heard of several times meanwhile.
                    try await swarm.run { try await Task.sleep(for: .seconds(1)) }
                }
            }
            try await host.value
            try await member.value
        }
    }

    @Test func theyPrepareThemselvesToo() async throws {
        try await withContext(.processes) { context in
            let swarm = try context.swarm(workers: 0) { "model of \(getpid())" }, place = try swarm.address
            let member = try await context.spawn { try await Swarm.join(place, workers: 2) }
            let models = try await swarm.map(0..<100) { _ in
                "\(try WorkerStorage.value(as: String.self)) in \(getpid())"
            }
            for model in Set(models) {
                let words = model.split(separator: " ")
                #expect(words[2] == words[4])
            }
            await swarm.stop()
            try await member.value
            let broken = try context.swarm(workers: 0) { throw TestFailure(reason: "no model") }
            let other = try broken.address
            let failing = try await context.spawn { try await Swarm.join(other, workers: 2) }
            await #expect(throws: TestFailure(reason: "no model")) { try await failing.value }
        }
    }

    @Test func aProgramJoinsByItsEnvironment() async throws {
        try await withContext(.processes, address: "tcp://127.0.0.1:*") { context in
            let swarm = try context.swarm(workers: 0)
            let member = try Program(environment: ["ZPROC_JOIN": try swarm.address, "ZPROC_WORKERS": "2"])
            #expect(try await swarm.map(0..<1_000) { $0 + 1 } == Array(1...1_000))
            // What it starts does not join in turn.
            #expect(try await swarm.run { getenv("ZPROC_JOIN") == nil })
            #expect(swarm.readyCount <= 2)
            await swarm.stop()
            #expect(try await member.end() == .exited(0))
        }
    }

    @Test func anotherBuildIsRefused() async throws {
        try await withContext(.processes, address: "tcp://127.0.0.1:*") { context in
            let swarm = try context.swarm(workers: 0)
            let environment = ["ZPROC_JOIN": try swarm.address]
            let member = try Program("InterruptedProgram", environment: environment, takesErrors: true)
            #expect(try await member.end() == .exited(70))
            let lines = try await member.rest()
            #expect(lines.count == 1)
            #expect(lines.first?.contains("copy the same executable to every machine") == true)
            #expect(swarm.readyCount == 0)
        }
    }

    @Test func whoseAddressIsWrongIsTold() async throws {
        #expect(throws: SwarmError.self) { try Context(.threads).swarm(workers: 1).address }
        for address in ["", "nowhere", "tcp://127.0.0.1:1#0", "tcp://127.0.0.1:1#x", "tcp://127.0.0.1:1#"] {
            let error = await #expect(throws: TransportError.self) { try await Swarm.join(address) }
            #expect(error?.code == .invalidEndpoint)
        }
        // Nobody is there.
        let nobody = await #expect(throws: TransportError.self) {
            try await Swarm.join("tcp://127.0.0.1:1", patience: .milliseconds(100))
        }
        #expect(nobody?.code == .unreachable)
        try await withContext(.processes, address: "tcp://127.0.0.1:*") { context in
            let address = try context.address
            let tooEarly = await #expect(throws: SwarmError.self) {
                // Long enough to be answered, however busy the machine is.
                try await Swarm.join(address, patience: .seconds(2))
            }
            #expect(tooEarly?.code == .notFound)
            var options = ProcessOptions()
            options.standardOutput = .streamed
            let streamed = options
            await #expect(throws: SpawnError.self) { try await Swarm.join(address, options: streamed) }
            // One that has ended already has no work for anybody.
            let swarm = try context.swarm(workers: 0)
            let place = try swarm.address
            await swarm.stop()
            try await Swarm.join(place)
        }
    }

    @Test func aProgramThatComesBackIsJoinedAgain() async throws {
        let probe = try Context(.processes, address: "tcp://127.0.0.1:*"), address = try probe.address
        await probe.shutdown()
        try await withContext(.processes) { context in
            let member = Task { try await Swarm.join(address, workers: 1, patience: .seconds(60)) }
            let first = try await context.spawn {
                try await withContext(.processes, address: address) { context in
                    let swarm = try context.swarm(workers: 0)
                    _ = try (swarm.address, await swarm.map(0..<10) { $0 })
                    kill(getpid(), SIGKILL)
                }
            }
            await #expect(throws: ProcessTermination.self) { try await first.value }
            let second = try await context.spawn {
                try await withContext(.processes, address: address) { context in
                    let swarm = try context.swarm(workers: 0)
                    return try (swarm.address, await swarm.map(0..<10) { $0 * 3 }).1
                }
            }
            #expect(try await second.value == (0..<10).map { $0 * 3 })
            // Its swarm has ended in order.
            try await member.value
        }
    }
}
