// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// The results as JSON: an array with an object for each row.
struct JSONReport: Encodable {
    let results: [RowResult]

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(results.map(RowFigure.init))
    }

    /// The text of the file.
    static func text(of value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }
}

/// A row as it stands in a file.
struct RowFigure: Codable, BaselineFigure {
    struct Reference: Codable {
        var name: String
        var median: Double
    }

    var name: String
    var backend: String
    var unit: String
    var median: Double
    var p99: Double
    var reference: Reference
    /// The median of the rounds' ratios, and between which they were.
    var ratio: Double
    var lowestRatio: Double?
    var highestRatio: Double?

    init(_ result: RowResult) {
        name = result.row.name
        backend = result.row.backendName
        unit = result.row.unit.rawValue
        median = rounded(result.median)
        p99 = rounded(result.p99)
        reference = Reference(name: result.row.reference, median: rounded(result.referenceMedian))
        ratio = rounded(result.ratio)
        lowestRatio = rounded(result.spread.lowerBound)
        highestRatio = rounded(result.spread.upperBound)
    }

    var figureName: FigureName { FigureName(name: name, backend: backend) }
    var value: Double { ratio }
    var isRate: Bool { unit.hasSuffix("/s") }
}

/// With six decimals.
private func rounded(_ value: Double) -> Double { (value * 1e6).rounded() / 1e6 }
