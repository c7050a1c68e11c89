// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Histogram

/// What has been measured: nanoseconds per operation, or operations per second.
struct Samples: Sendable {
    /// Thousandths, so that what takes a few nanoseconds keeps three digits too.
    private var histogram = Histogram<UInt32>(highestTrackableValue: 1 << 40, numberOfSignificantValueDigits: .three)

    init() {
        histogram.autoResize = true
    }

    var isEmpty: Bool { histogram.totalCount == 0 }

    mutating func record(_ value: Double) {
        histogram.record(UInt64(max(0, value) * 1000))
    }

    mutating func add(_ other: Samples) {
        for entry in other.histogram.recordedValues() { histogram.record(entry.value, count: entry.count) }
    }

    var median: Double { percentile(50) }

    func percentile(_ percentile: Double) -> Double {
        Double(histogram.valueAtPercentile(percentile)) / 1000
    }
}

/// Samples travel as pairs of a value and how often it was seen: a spawned process measures, its parent adds up.
extension Samples: Codable {
    init(from decoder: any Decoder) throws {
        self.init()
        var container = try decoder.unkeyedContainer()
        while !container.isAtEnd {
            let value = try container.decode(UInt64.self)
            histogram.record(value, count: try container.decode(UInt32.self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for entry in histogram.recordedValues() {
            try container.encode(entry.value)
            try container.encode(entry.count)
        }
    }
}
