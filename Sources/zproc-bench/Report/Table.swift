// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProcComparison

/// The table on standard output, a line at a time.
struct Table {
    private struct Column {
        let title: String
        let width: Int
        let isNumber: Bool

        init(_ title: String, _ width: Int, isNumber: Bool = false) {
            self.title = title
            self.width = width
            self.isNumber = isNumber
        }
    }

    private let columns: [Column]

    /// Makes room for the longest names of `rows`.
    init(rows: [Row]) {
        columns = [
            Column("name", rows.map(\.name.count).max() ?? 0),
            Column("backend", 9),
            Column("median", 9, isNumber: true),
            Column("p99", 9, isNumber: true),
            Column("unit", 9),
            Column("reference", rows.map(\.reference.count).max() ?? 0),
            Column("median", 9, isNumber: true),
            Column("ratio", 6, isNumber: true),
            Column("reach", 7),
            Column("", 5),
            Column("spread of ratios", 17),
        ]
    }

    var header: String { line(columns.map(\.title)) }

    func line(for result: RowResult) -> String {
        line([
            result.row.name,
            result.row.backendName,
            formatted(result.median),
            formatted(result.p99),
            result.row.unit.rawValue,
            result.row.reference,
            formatted(result.referenceMedian),
            formatted(result.ratio),
            result.row.reach.description,
            result.isMet ? "met" : "short",
            "\(formatted(result.spread.lowerBound))...\(formatted(result.spread.upperBound))",
        ])
    }

    private func line(_ cells: [String]) -> String {
        var line = ""
        for (cell, column) in zip(cells, columns) {
            let padding = String(repeating: " ", count: max(0, column.width - cell.count))
            line += column.isNumber ? padding + cell : cell + padding
            line += "  "
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
