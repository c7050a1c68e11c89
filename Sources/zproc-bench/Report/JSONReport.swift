// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The results as JSON: an array with an object for each row.
struct JSONReport {
    let results: [RowResult]

    /// The text of the file, a line for each row.
    var text: String {
        "[" + results.map { "\n  " + object($0) }.joined(separator: ",") + "\n]\n"
    }

    private func object(_ result: RowResult) -> String {
        let row = result.row
        let reference = """
            {"name": \(string(row.reference)), "median": \(number(result.referenceMedian))}
            """
        return """
            {"name": \(string(row.name)), "backend": \(string(row.backendName)), \
            "unit": \(string(row.unit.rawValue)), "median": \(number(result.median)), "p99": \(number(result.p99)), \
            "reference": \(reference), "ratio": \(number(result.ratio))}
            """
    }

    /// JSON knows finite numbers only.
    private func number(_ value: Double) -> String {
        value.isFinite ? "\((value * 10_000).rounded() / 10_000)" : "null"
    }

    private func string(_ text: String) -> String {
        var escaped = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": escaped += "\\\(scalar)"
            case "\u{0}"..<"\u{20}":
                let hexadecimal = String(scalar.value, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped + "\""
    }
}
