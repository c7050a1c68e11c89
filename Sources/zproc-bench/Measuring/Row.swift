// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc
import ZProcComparison

/// A row of the table: what is measured, what it is held against, and how close it should come.
struct Row: Sendable {
    let name: String
    /// Nil where there is no choice of one.
    let backend: Backend?
    let unit: Unit
    /// What the figure is held against.
    let reference: String
    let reach: Reach
    let measure: @concurrent @Sendable (Turns) async throws -> Figures

    init(
        _ name: String,
        on backend: Backend? = nil,
        in unit: Unit,
        against reference: String,
        reach: Reach,
        measure: @escaping @concurrent @Sendable (Turns) async throws -> Figures
    ) {
        self.name = name
        self.backend = backend
        self.unit = unit
        self.reference = reference
        self.reach = reach
        self.measure = measure
    }

    /// The backend in tables and reports.
    var backendName: String { backend?.description ?? "-" }

    /// All rows, in the table's order.
    static let all = messagePack + zeroMQ + actors + state + sharedState + watching + spawning + swarms + hubs

    /// The names without repetitions, in the table's order.
    static func names(of rows: [Row]) -> [String] {
        var seen: Set<String> = []
        return rows.map(\.name).filter { seen.insert($0).inserted }
    }
}

/// What a figure counts.
enum Unit: String, Sendable {
    case nanoseconds = "ns"
    case nanosecondsPerStruct = "ns/struct"
    case nanosecondsPerInteger = "ns/int"
    case microseconds = "µs"
    case callsPerSecond = "calls/s"
    case updatesPerSecond = "updates/s"
    case itemsPerSecond = "items/s"
    case bytesPerSecond = "B/s"

    /// Whether more is better.
    var isRate: Bool { rawValue.hasSuffix("/s") }

    /// How much of what is sampled makes one of this.
    var scale: Double { self == .microseconds ? 1000 : 1 }

    /// What all but one in a hundred keep within: the 99th percentile of times, the first of rates.
    var outerPercentile: Double { isRate ? 1 : 99 }
}

/// How close the ratio of a figure to its reference should come.
enum Reach: Sendable, CustomStringConvertible {
    /// For times.
    case atMost(Double)
    /// For rates.
    case atLeast(Double)

    func isMet(by ratio: Double) -> Bool {
        switch self {
        case .atMost(let limit): ratio <= limit
        case .atLeast(let limit): ratio >= limit
        }
    }

    var description: String {
        switch self {
        case .atMost(let limit): "<= \(formatted(limit))"
        case .atLeast(let limit): ">= \(formatted(limit))"
        }
    }
}
