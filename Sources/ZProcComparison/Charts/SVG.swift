// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The text of an SVG file, piece by piece.
struct SVG {
    enum Anchor: String { case start, middle, end }

    /// Colours that people who see fewer of them tell apart too.
    static let colours = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#000000"]

    static func colour(_ index: Int) -> String { colours[index % colours.count] }

    private let width: Double, height: Double
    private var body = ""

    init(width: Double, height: Double) {
        self.width = width
        self.height = height
    }

    var text: String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" width="\(number(width))" height="\(number(height))" \
        viewBox="0 0 \(number(width)) \(number(height))" font-family="sans-serif" font-size="12">
        <rect width="100%" height="100%" fill="#ffffff"/>
        \(body)</svg>

        """
    }

    mutating func rectangle(x: Double, y: Double, width: Double, height: Double, fill: String) {
        body += """
            <rect x="\(number(x))" y="\(number(y))" width="\(number(width))" height="\(number(height))" fill="\(fill)"/>

            """
    }

    mutating func line(from start: (x: Double, y: Double), to end: (x: Double, y: Double), colour: String) {
        body += """
            <line x1="\(number(start.x))" y1="\(number(start.y))" x2="\(number(end.x))" y2="\(number(end.y))" \
            stroke="\(colour)"/>

            """
    }

    mutating func polyline(_ points: [(x: Double, y: Double)], colour: String) {
        let list = points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
        body += "<polyline points=\"\(list)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>\n"
        for point in points {
            body += "<circle cx=\"\(number(point.x))\" cy=\"\(number(point.y))\" r=\"3\" fill=\"\(colour)\"/>\n"
        }
    }

    mutating func text(_ text: String, x: Double, y: Double, anchor: Anchor = .start, size: Double = 12) {
        body += """
            <text x="\(number(x))" y="\(number(y))" text-anchor="\(anchor.rawValue)" font-size="\(number(size))" \
            fill="#222222">\(escaped(text))</text>

            """
    }

    /// With one decimal at most.
    private func number(_ value: Double) -> String {
        let rounded = (value * 10).rounded() / 10
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }

    private func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            // Not allowed in XML.
            case "\u{0}"..<" ": escaped += " "
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
