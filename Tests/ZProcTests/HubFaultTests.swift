// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc
import ZProcCore

/// Keeps a state in a file and lets others in, until it is killed.
private func serve(_ file: String, at address: String) async throws {
    let options = StateOptions(persistence: .file(file, sync: .eachCommit))
    let hub = try Context(.threads, state: options)
    try await hub.publishWhenFree(at: address)
    try await Task.sleep(for: .seconds(10_000))
}

/// Hubs that are killed, stopped and cut off.
@Suite(.tags(.fault, .state, .process), .timeLimit(.minutes(5))) struct HubFaultTests {
    /// A hub in a process of its own, which can be killed and started again.
    private struct KilledHub {
        let context: Context, file: String, address: String

        func start() async throws -> SpawnedProcess<Void> {
            let file = file, address = address
            return try await context.spawn(name: "hub") { try await serve(file, at: address) }
        }
    }

    private func withKilledHub(
        over way: HubWay,
        _ body: (KilledHub) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let address = way.address(in: directory, port: String(try freePort()))
            try await withContext(.processes) { context in
                try await body(KilledHub(context: context, file: "\(directory)/state", address: address))
            }
        }
    }

    private func connect(
        to address: String,
        over way: HubWay,
        patience: Duration = .seconds(60)
    ) async throws -> Context {
        var context: Context?
        try await eventually {
            context = try? await Context(
                connectingTo: address,
                backend: .threads,
                options: way.options,
                patience: patience
            )
            return context != nil
        }
        return try #require(context)
    }

    @Test(arguments: HubWay.allCases)
    func aHubKilledUnderLoadLosesAndDoublesNothing(over way: HubWay) async throws {
        let kills = Environment.number("ZPROC_HUB_KILLS", default: 3)
        try await withKilledHub(over: way) { killed in
            var hub = try await killed.start()
            let client = try await connect(to: killed.address, over: way), state = client.state
            let watcher = Task {
                var seen: [Int] = []
                for try await change in state.changes(of: "count") {
                    let count = try change.after.get("count", default: 0)
                    seen.append(count)
                    if count == -1 { return seen }
                }
                return seen
            }
            let isDone = Flag()
            let workers = (0..<8).map { number in
                Task {
                    var acknowledged = 0
                    while !isDone.isRaised {
                        if acknowledged % 2 == 0 {
                            try await state.increment("count")
                        } else {
                            try await state.update { $0["count", default: 0] += 1 }
                        }
                        try await state.append(number, to: "log")
                        acknowledged += 1
                    }
                    return acknowledged
                }
            }
            for round in 1...kills {
                let before = try await state.get("count", default: 0)
                try await eventually { try await state.get("count", default: 0) > before + 20 * round }
                kill(pid_t(try #require(hub.pid)), SIGKILL)
                _ = try? await hub.value
                hub = try await killed.start()
            }
            isDone.raise()
            var total = 0, byWorker: [Int] = []
            for worker in workers {
                let acknowledged = try await worker.value
                byWorker.append(acknowledged)
                total += acknowledged
            }
            #expect(try await state.get("count", as: Int.self) == total)
            let log = try await state.get("log", as: [Int].self) ?? []
            for number in 0..<8 { #expect(log.count { $0 == number } == byWorker[number]) }
            try await state.set("count", to: -1)
            let seen = try await watcher.value
            // Every value once and in order, across all the ends of the hub.
            #expect(seen.dropLast() == Array((seen.first ?? 0)...total)[...])
            print("hub over \(way): \(kills) kills, \(total) acknowledged updates, lost 0, doubled 0")
            await client.shutdown()
            await hub.stop()
        }
    }

    /// What waits when a hub ends in good order is not told that it has been cancelled.
    @Test(arguments: HubWay.allCases)
    func watchesAndUpdatesGoOnWhenAHubHasEndedInGoodOrder(over way: HubWay) async throws {
        try await withTemporaryDirectory { directory in
            var address = way.address(in: directory)
            let options = StateOptions(persistence: .file("\(directory)/state", sync: .eachCommit))
            var hub = try Context(.threads, state: options)
            address = try hub.publish(at: address)
            let client = try await connect(to: address, over: way), state = client.state
            let watcher = Task {
                var seen: [Int] = []
                for try await change in state.changes(of: "count") {
                    let count = try change.after.get("count", default: 0)
                    if count == -1 { break }
                    seen.append(count)
                }
                return seen
            }
            let isDone = Flag()
            let workers = (0..<4).map { _ in
                Task {
                    var acknowledged = 0
                    while !isDone.isRaised {
                        try await state.update { $0["count", default: 0] += 1 }
                        acknowledged += 1
                    }
                    return acknowledged
                }
            }
            for _ in 1...3 {
                let before = try await state.get("count", default: 0)
                try await eventually { try await state.get("count", default: 0) > before + 20 }
                await hub.shutdown()
                let next = try Context(.threads, state: options)
                try await next.publishWhenFree(at: address)
                hub = next
            }
            isDone.raise()
            var total = 0
            for worker in workers { total += try await worker.value }
            #expect(try await state.get("count", as: Int.self) == total)
            try await state.set("count", to: -1)
            let seen = try await watcher.value
            #expect(seen == Array((seen.first ?? 0)...total))
            await client.shutdown()
            await hub.shutdown()
        }
    }

    @Test func aHubThatIsAwayForTooLongIsAnError() async throws {
        try await withKilledHub(over: .ipc) { killed in
            let hub = try await killed.start()
            let client = try await connect(to: killed.address, over: .ipc, patience: .milliseconds(300))
            let state = client.state
            try await state.set("key", to: 1)
            kill(pid_t(try #require(hub.pid)), SIGKILL)
            _ = try? await hub.value
            let error = await #expect(throws: TransportError.self) { try await state.set("key", to: 2) }
            #expect(error.map { CallOutcome(of: $0) } != .failed)
            #expect(error?.message.contains("has been away") == true)
            // It is there again for the next call.
            let again = try await killed.start()
            try await eventually { (try? await state.get("key", as: Int.self)) == 1 }
            await client.shutdown()
            await again.stop()
        }
    }

    @Test(arguments: [HubWay.tcp, .nearby]) func callsWaitForAHubThatStandsStill(over way: HubWay) async throws {
        try await withKilledHub(over: way) { killed in
            let hub = try await killed.start()
            let client = try await connect(to: killed.address, over: way), state = client.state
            let hasty = try await connect(to: killed.address, over: way, patience: .seconds(1))
            try await state.set("key", to: 1)
            let pid = pid_t(try #require(hub.pid))
            kill(pid, SIGSTOP)
            let update = Task { try await state.increment("key", by: 5) }
            try await eventually { processState(Int(pid)) == "T" }
            // The links are given up, as one finds who has less patience.
            await #expect(throws: TransportError.self) { try await hasty.ping() }
            kill(pid, SIGCONT)
            #expect(try await update.value == 6)
            #expect(try await state.get("key", as: Int.self) == 6)
            await hasty.shutdown()
            await client.shutdown()
            await hub.stop()
        }
    }

    @Test func aMapGoesOnWhileTheHubIsAway() async throws {
        try await withKilledHub(over: .ipc) { killed in
            var hub = try await killed.start()
            var probe: Context?
            try await eventually {
                probe = try? await Context(connectingTo: killed.address, backend: .processes, patience: .seconds(60))
                return probe != nil
            }
            let client = try #require(probe), state = client.state
            let swarm = try client.swarm(workers: 2)
            let kept = try await swarm.submitMap(1...10) { $0 * 3 }
            let map = Task {
                try await swarm.map(0..<400) { number in
                    try await state.increment("done")
                    return number * 2
                }
            }
            try await eventually { try await state.get("done", default: 0) > 50 }
            #expect(try await kept.value == (1...10).map { $0 * 3 })
            kill(pid_t(try #require(hub.pid)), SIGKILL)
            _ = try? await hub.value
            hub = try await killed.start()
            #expect(try await map.value == (0..<400).map { $0 * 2 })
            #expect(try await state.get("done", as: Int.self) == 400)
            #expect(try await client.taskResult(kept.id, of: [Int].self).take() == (1...10).map { $0 * 3 })
            await client.shutdown()
            await hub.stop()
        }
    }
}

/// A port of the loopback that nobody listens at.
func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
            bind(descriptor, pointer, length) == 0 ? getsockname(descriptor, pointer, &length) : -1
        }
    }
    guard result == 0 else { throw TestFailure(reason: "no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
}
