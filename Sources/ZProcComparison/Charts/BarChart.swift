// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Bars that lie, one below the other, from zero.
package struct BarChart {
    package struct Bar {
        var name: String
        /// Nil for none.
        var value: Double?
        /// From where to where single values went.
        var range: ClosedRange<Double>?
        var label: String

        package init(name: String, value: Double?, range: ClosedRange<Double>? = nil, label: String) {
            self.name = name
            self.value = value
            self.range = range
            self.label = label
        }
    }

    private let title: String
    private let bars: [Bar]

    package init(title: String, bars: [Bar]) {
        self.title = title
        self.bars = bars
    }

    package var svg: String {
        let left = 190.0, width = 420.0, right = 130.0, top = 40.0, pitch = 30.0, thickness = 18.0
        var svg = SVG(width: left + width + right, height: top + Double(bars.count) * pitch + 12)
        svg.text(title, x: 12, y: 22, size: 15)
        let most = bars.map { max($0.value ?? 0, $0.range?.upperBound ?? 0) }.max() ?? 0
        let scale = most > 0 ? width / most : 0
        for (index, bar) in bars.enumerated() {
            let y = top + Double(index) * pitch, middle = y + thickness / 2
            svg.text(bar.name, x: left - 8, y: middle + 4, anchor: .end)
            guard let value = bar.value else {
                svg.text(bar.label, x: left + 4, y: middle + 4)
                continue
            }
            svg.rectangle(x: left, y: y, width: max(1, value * scale), height: thickness, fill: SVG.colour(index))
            var end = left + value * scale
            if let range = bar.range, range.lowerBound < range.upperBound {
                let from = left + range.lowerBound * scale, to = left + range.upperBound * scale
                svg.line(from: (from, middle), to: (to, middle), colour: "#222222")
                for x in [from, to] { svg.line(from: (x, middle - 4), to: (x, middle + 4), colour: "#222222") }
                end = max(end, to)
            }
            svg.text(bar.label, x: end + 6, y: middle + 4)
        }
        return svg.text
    }
}
