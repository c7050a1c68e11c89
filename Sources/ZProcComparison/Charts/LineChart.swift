// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Lines over numbers that are told by name, such as 1, 2 and 4 workers; both axes are logarithmic.
package struct LineChart {
    package struct Line {
        var name: String
        var points: [(x: Double, y: Double)]

        package init(name: String, points: [(x: Double, y: Double)]) {
            self.name = name
            self.points = points
        }
    }

    private let title: String, horizontal: String, vertical: String
    private let lines: [Line]

    package init(title: String, horizontal: String, vertical: String, lines: [Line]) {
        self.title = title
        self.horizontal = horizontal
        self.vertical = vertical
        // What is not positive has no place on such axes.
        self.lines = lines.map { Line(name: $0.name, points: $0.points.filter { $0.x > 0 && $0.y > 0 }) }
    }

    package var svg: String {
        let left = 80.0, width = 430.0, right = 180.0, top = 50.0, height = 250.0, bottom = 50.0
        var svg = SVG(width: left + width + right, height: top + height + bottom)
        svg.text(title, x: 12, y: 22, size: 15)
        svg.text(vertical, x: 12, y: 42)
        svg.text(horizontal, x: left + width / 2, y: top + height + 40, anchor: .middle)
        let points = lines.flatMap(\.points)
        let across = Scale(points.map(\.x)), up = Scale(points.map(\.y), decades: true)
        func place(_ point: (x: Double, y: Double)) -> (x: Double, y: Double) {
            (left + across.part(of: point.x) * width, top + height - up.part(of: point.y) * height)
        }
        for tick in up.decades {
            let y = top + height - up.part(of: tick) * height
            svg.line(from: (left, y), to: (left + width, y), colour: "#dddddd")
            svg.text(compact(tick), x: left - 6, y: y + 4, anchor: .end)
        }
        for x in Set(points.map(\.x)).sorted() {
            let place = left + across.part(of: x) * width
            svg.line(from: (place, top + height), to: (place, top + height + 4), colour: "#222222")
            svg.text(formatted(x), x: place, y: top + height + 18, anchor: .middle)
        }
        svg.line(from: (left, top + height), to: (left + width, top + height), colour: "#222222")
        for (index, line) in lines.enumerated() {
            svg.polyline(line.points.map(place), colour: SVG.colour(index))
            let y = top + 8 + Double(index) * 20
            svg.rectangle(x: left + width + 16, y: y - 8, width: 10, height: 10, fill: SVG.colour(index))
            svg.text(line.name, x: left + width + 32, y: y + 1)
        }
        return svg.text
    }

    /// A logarithmic axis.
    private struct Scale {
        let least: Double, most: Double

        init(_ values: [Double], decades: Bool = false) {
            least = Self.rounded(values.min() ?? 1, decades, down: true)
            most = Self.rounded(values.max() ?? 1, decades, down: false)
        }

        /// From 0 at the beginning to 1 at the end.
        func part(of value: Double) -> Double { most > least ? log2(value / least) / log2(most / least) : 0.5 }

        /// The powers of ten on the axis.
        var decades: [Double] {
            var decades: [Double] = [], decade = Self.rounded(least, true, down: true)
            while decade <= most * 1.001 {
                decades.append(decade)
                decade *= 10
            }
            return decades
        }

        private static func rounded(_ value: Double, _ decades: Bool, down: Bool) -> Double {
            guard decades, value > 0, value.isFinite else { return value }
            var decade = 1.0
            while decade > value { decade /= 10 }
            while decade * 10 <= value { decade *= 10 }
            return down || decade == value ? decade : decade * 10
        }
    }
}

/// A power of ten with few characters: 100, 10 k, 1 M.
private func compact(_ value: Double) -> String {
    switch value {
    case 1e9...: "\(formatted(value / 1e9)) G"
    case 1e6...: "\(formatted(value / 1e6)) M"
    case 1e3...: "\(formatted(value / 1e3)) k"
    default: formatted(value)
    }
}
