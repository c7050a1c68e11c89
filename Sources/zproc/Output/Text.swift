// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Figures and names as people read them.
enum Text {
    /// A text on one line that cannot steer a terminal: control characters are replaced.
    static func printable(_ text: String) -> String {
        var line = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n", "\r", "\t": line += " "
            case "\u{0}"..<" ", "\u{7f}"..."\u{9f}", "\u{2028}", "\u{2029}", "\u{202a}"..."\u{202e}",
                "\u{2066}"..."\u{2069}":
                line += "\u{fffd}"
            default: line.unicodeScalars.append(scalar)
            }
        }
        return line
    }

    /// A number of bytes, such as `12.3 MiB`.
    static func bytes(_ count: Int) -> String {
        guard count >= 1_024 else { return "\(count) B" }
        var value = Double(count), unit = ""
        for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] where value >= 1_023.95 || unit.isEmpty {
            (value, unit) = (value / 1_024, next)
        }
        return "\(decimal(value, 1)) \(unit)"
    }

    /// A time, such as `3 d 4 h`, `12.3 s` or `0.21 ms`.
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "?" }
        if seconds == 0 { return "0 s" }
        if seconds < 0.9995 { return "\(decimal(seconds * 1_000, seconds < 0.00995 ? 2 : 0)) ms" }
        if seconds < 59.95 { return "\(decimal(seconds, 1)) s" }
        let whole = Int(seconds.rounded())
        if whole < 3_600 { return "\(whole / 60) min \(whole % 60) s" }
        if whole < 86_400 { return "\(whole / 3_600) h \(whole / 60 % 60) min" }
        return "\(whole / 86_400) d \(whole / 3_600 % 24) h"
    }

    /// A share of one processor, such as `12.5 %`.
    static func percent(_ share: Double) -> String { share.isFinite ? "\(decimal(max(0, share) * 100, 1)) %" : "?" }

    /// A number of things, such as `1 client` or `2 clients`.
    static func count(_ number: Int, _ thing: String) -> String { "\(number) \(thing)\(number == 1 ? "" : "s")" }

    private static func decimal(_ value: Double, _ places: Int) -> String {
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = Int((value * scale).rounded())
        guard places > 0 else { return String(scaled) }
        let digits = String(repeating: "0", count: max(0, places + 1 - String(scaled).count)) + String(scaled)
        let whole = digits.dropLast(places)
        return "\(whole).\(digits.suffix(places))"
    }
}
