// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// A job that every backend, every peer and a plain loop does with the same result.
protocol Workload: Sendable {
    /// - Parameters:
    ///   - size: how much there is to do.
    ///   - workers: among how many it is divided.
    init(size: Int, workers: Int)

    /// Does it without ZProc, in one loop.
    func loop() -> Int

    /// Does it with as many processes, or tasks, as there are workers.
    func run(in context: Context) async throws -> Int
}

/// The workloads there are.
enum WorkloadKind: String, CaseIterable, Codable, Sendable {
    case counter, transfers, wordcount, mandelbrot, pipeline

    /// What is done, in a line.
    var summary: String {
        switch self {
        case .counter: "workers increment one number of the shared state, each time in an atomic update"
        case .transfers: "workers move money between 100 accounts of the shared state, two keys in an atomic update"
        case .wordcount: "a swarm counts the words of texts; dictionaries come back and are added up"
        case .mandelbrot: "a swarm computes the rows of a picture: arithmetic, and nothing shared"
        case .pipeline: "numbers go through three distributed actors a worker, 64 on the way at a time"
        }
    }

    /// What `size` counts.
    var unit: String {
        switch self {
        case .counter: "increments"
        case .transfers: "transfers"
        case .wordcount: "words"
        case .mandelbrot: "pixels a side"
        case .pipeline: "numbers"
        }
    }

    var standardSize: Int {
        switch self {
        case .counter, .transfers: 20_000
        case .wordcount: 2_000_000
        case .mandelbrot: 600
        case .pipeline: 10_000
        }
    }

    /// How many operations a run of that size has, and what they are.
    func operations(size: Int) -> (count: Int, unit: String) {
        self == .mandelbrot ? (size * size, "pixels") : (size, unit)
    }

    func make(size: Int, workers: Int) -> any Workload {
        switch self {
        case .counter: Counter(size: size, workers: workers)
        case .transfers: Transfers(size: size, workers: workers)
        case .wordcount: WordCount(size: size, workers: workers)
        case .mandelbrot: Mandelbrot(size: size, workers: workers)
        case .pipeline: Pipeline(size: size, workers: workers)
        }
    }
}
