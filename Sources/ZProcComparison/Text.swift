// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Rows of cells, for a terminal or for Markdown.
package struct TextTable {
    private let titles: [String]
    private var rows: [[String]] = []

    package init(titles: [String]) { self.titles = titles }

    /// Adds a row; one with fewer cells than titles goes over the columns that are left.
    package mutating func add(_ cells: [String]) { rows.append(cells) }

    /// Columns that are as wide as they must be, numbers to the right.
    package var text: String {
        let widths = titles.indices.map { column in
            ([titles] + rows.filter { $0.count == titles.count }).map { $0[column].count }.max() ?? 0
        }
        return ([titles] + rows).map { cells in
            var line = ""
            for (column, cell) in cells.enumerated() {
                let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
                line += (column == 0 || cells.count < titles.count ? cell + padding : padding + cell) + "  "
            }
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }

    package var markdown: String {
        let marks = titles.indices.map { $0 == 0 ? "---" : "---:" }
        let full = rows.map { $0 + Array(repeating: "", count: max(0, titles.count - $0.count)) }
        return ([titles, marks] + full).map { cells in
            "| "
                + cells.map { $0.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") }
                .joined(separator: " | ") + " |"
        }.joined(separator: "\n") + "\n"
    }
}

/// A time with its unit: 1.23 s, 45.6 ms, 789 µs.
package func timeText(_ seconds: Double) -> String {
    switch seconds {
    case 1...: "\(formatted(seconds)) s"
    case 0.001...: "\(formatted(seconds * 1e3)) ms"
    case 0.000_001...: "\(formatted(seconds * 1e6)) µs"
    default: "\(formatted(seconds * 1e9)) ns"
    }
}

/// A number with three digits at least, as far as six decimals give them, and commas between thousands.
///
/// 0.00123, 0.123, 1.23, 12.3, 1,234.
package func formatted(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    var decimals = 0
    var limit = 100.0
    while decimals < 6, abs(value) < limit, value != 0 {
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
