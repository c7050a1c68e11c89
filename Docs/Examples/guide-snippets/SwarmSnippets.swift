// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import Glibc
import ZProc

private struct OvenError: Error, Codable { var degrees: Int }

private struct Model: Sendable {
    static func load() async throws -> Model { Model() }
    func label(_ image: String) -> String { "a picture of \(image)" }
}

/// The pieces of `Swarm.md`, in its order; what is between the lines is the guide's, word for word.
enum SwarmSnippets {
    static func piece1(_ context: Context) async throws {
        // ---
        let swarm = try context.swarm()  // as many workers as there are processors to use
        let squares = try await swarm.map(0..<1_000_000) { $0 * $0 }
        let sum = try await swarm.run(3, 4) { $0 + $1 }
        async let later = swarm.run(5, 6) { $0 * $1 }  // runs from now on; cancelled when nobody awaits it
        let product = try await later
        // ---
        try expect("product", product, 30)
        try expect("squares", squares.last, 999_999 * 999_999)
        try expect("sum", sum, 7)
    }

    static func piece2(_ context: Context, _ swarm: Swarm) async throws {
        let files = ["a", "bb", "ccc"]
        // ---
        let numbered = try await swarm.map(files, 1...) { file, number in "\(number): \(file)" }
        let long = try await swarm.compactMap(files) { $0.count > 1 ? $0 : nil }
        let letters = try await swarm.reduce(files, into: 0) {
            $0 += $1
        } transform: {
            $0.count
        }
        try await swarm.forEach(files) { file in try await context.state.increment("files") }
        // ---
        try expect("numbered", numbered, ["1: a", "2: bb", "3: ccc"])
        try expect("long", long, ["bb", "ccc"])
        try expect("letters", letters, 6)
    }

    static func piece3(_ context: Context, _ swarm: Swarm) async throws {
        // ---
        for try await square in try swarm.mapLazy(0..., transform: { $0 * $0 }) {
            if square > 1_000 { break }  // cancels the rest
        }
        // ---
    }

    static func piece4(_ context: Context, _ swarm: Swarm) async throws {
        // ---
        var options = MapOptions()
        options.order = .completion
        options.retry = RetryPolicy(3, delay: .exponential(from: .milliseconds(10)), on: .error(OvenError.self))
        options.itemTimeout = .seconds(10)
        options.timeout = .seconds(60)
        options.label = "cakes"
        let baked = try await swarm.map(1...20, options: options) { number in "cake \(number)" }
        // ---
        try expect("baked", baked.count, 20)
    }

    static func piece5(_ context: Context, _ swarm: Swarm) async throws {
        // ---
        let results = try await swarm.mapResults(170...190) { degrees in
            if degrees > 185 { throw OvenError(degrees: degrees) }
            return "done at \(degrees)"
        }
        for case .failure(let error) in results { print(error) }
        // ---
        try expect("results", results.count, 21)
    }

    static func piece6(_ context: Context) async throws {
        let images = ["a cake", "an egg"]
        // ---
        let painters = try context.swarm(workers: 2) { try await Model.load() }
        let labels = try await painters.map(images) { image in
            try WorkerStorage.value(as: Model.self).label(image)
        }
        // ---
        try expect("labels", labels, ["a picture of a cake", "a picture of an egg"])
    }

    static func piece7(_ context: Context, _ swarm: Swarm) async throws {
        // ---
        var options = SwarmOptions()
        options.idleLimit = .seconds(30)
        options.minimumWorkers = 1
        options.itemsPerWorker = 100_000
        options.memoryPerWorker = 1 << 30
        let elastic = try context.swarm(workers: 2, options: options)
        elastic.resize(to: 4)  // also while they work
        // ---
        try expect("count", elastic.count, 4)
    }

    static func join(_ context: Context) async throws {
        // ---
        let open = try Context(.processes, address: "tcp://127.0.0.1:*")  // or tcp://10.0.0.1:5555, see below
        let shared = try open.swarm(workers: 2)
        let address = try shared.address  // tcp://127.0.0.1:40123#1: the first swarm of the context there
        // ---
        let member = Task { try await joinAsOther(address) }
        while shared.readyCount < 4 { try await shared.forEach(0..<4) { _ in } }
        try expect("workers with those that joined", shared.readyCount, 4)
        await open.shutdown()
        try await member.value
    }

    static func joinAsOther(_ address: String) async throws {
        // ---
        try await Swarm.join(address, workers: 2)
        // ---
    }

    static func piece8(_ context: Context, _ swarm: Swarm) async throws {
        // ---
        let result = try await swarm.submitMap(1...1_000, keep: .seconds(3_600)) { $0 * 2 }
        let id = result.id
        let process = try await context.spawn {
            try await context.taskResult(id, of: [Int].self).take().count
        }
        // ---
        try expect("count", try await process.value, 1_000)
    }

    static func piece9(_ context: Context, _ swarm: Swarm) async throws {
        // ---
        let results = try swarm.mapLazy(0..<1_000) { $0 + 1 }
        let watcher = Task { for await progress in results.progressUpdates() { print(progress) } }
        for try await _ in results {}
        await watcher.value
        // ---
    }

    static func run(_ context: Context, _ state: SharedState) async throws {
        try await piece1(context)
        let swarm = try context.swarm(workers: 2)
        for piece in [piece2, piece3, piece4, piece5] { try await piece(context, swarm) }
        try await piece6(context)
        try await join(context)
        for piece in [piece7, piece8, piece9] { try await piece(context, swarm) }
    }
}
