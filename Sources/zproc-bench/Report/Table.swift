// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

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
            Column("spread of medians", 17),
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

/// A number with three digits at least, and commas between thousands: 0.123, 1.23, 12.3, 1,234.
func formatted(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    var decimals = 0
    var limit = 100.0
    while decimals < 3, abs(value) < limit {
        decimals += 1
        limit /= 10
    }
    var scale = 1
    for _ in 0..<decimals { scale *= 10 }
    let scaled = Int((abs(value) * Double(scale)).rounded())
    var whole = String(scaled / scale)
    var place = whole.endIndex
    while let comma = whole.index(place, offsetBy: -3, limitedBy: whole.startIndex), comma > whole.startIndex {
        whole.insert(",", at: comma)
        place = comma
    }
    let sign = value < 0 && scaled > 0 ? "-" : ""
    var fraction = String(scaled % scale)
    fraction = String(repeating: "0", count: max(0, decimals - fraction.count)) + fraction
    while fraction.last == "0" { fraction.removeLast() }
    return sign + whole + (decimals == 0 || fraction.isEmpty ? "" : "." + fraction)
}
