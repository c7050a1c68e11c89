// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import ZProc

/// The standard output.
enum Output {
    static let isTerminal = isatty(STDOUT_FILENO) == 1
    static let style = Style(hasColours: isTerminal && environment("NO_COLOR") == nil && environment("TERM") != "dumb")

    /// Writes all of a text, at once: nothing is kept back.
    static func put(_ text: String) throws {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { throw Failure("cannot write: \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(count)
        }
    }

    static func put(_ json: JSON, _ layout: JSON.Layout = .line) throws { try put("\(json.text(layout))\n") }

    /// A table for people, lines with tabs for tools.
    static func put(_ table: Table) throws {
        try put(isTerminal ? table.lines(style).map { "\($0)\n" }.joined() : table.tabbed)
    }
}

/// The option of commands that print something else for people than for scripts.
struct FormatOption: ParsableArguments {
    @Flag(help: "Print JSON, for scripts.") var json = false

    /// People read values better over several lines.
    var layout: JSON.Layout { Output.isTerminal && !json ? .indented : .line }
}
