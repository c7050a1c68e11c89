// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Rows for people, or for tools that split lines at tabs.
struct Table {
    struct Column {
        var title: String
        /// Figures stand at the right.
        var isNumber = false
    }

    var columns: [Column]
    private(set) var rows: [[String]] = []

    init(_ columns: Column...) { self.columns = columns }

    mutating func add(_ cells: String...) { rows.append(cells.map(Text.printable)) }

    /// With a head and even columns.
    func lines(_ style: Style) -> [String] {
        let widths = columns.indices.map { column in
            max(columns[column].title.count, rows.map { $0[column].count }.max() ?? 0)
        }
        func line(_ cells: [String]) -> String {
            let padded = cells.indices.map { column in
                let blanks = String(repeating: " ", count: widths[column] - cells[column].count)
                return columns[column].isNumber ? blanks + cells[column] : cells[column] + blanks
            }
            var line = padded.joined(separator: "  ")[...]
            while line.last == " " { line.removeLast() }
            return String(line)
        }
        return [style.bold(line(columns.map(\.title)))] + rows.map(line)
    }

    /// One line for each row, without a head.
    var tabbed: String { rows.map { "\($0.joined(separator: "\t"))\n" }.joined() }
}

/// Whether text is coloured.
struct Style: Equatable {
    var hasColours: Bool

    static let plain = Style(hasColours: false)

    func bold(_ text: String) -> String { wrap(text, "1") }
    func red(_ text: String) -> String { wrap(text, "31") }
    func green(_ text: String) -> String { wrap(text, "32") }
    func yellow(_ text: String) -> String { wrap(text, "33") }

    private func wrap(_ text: String, _ code: String) -> String {
        hasColours ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}
