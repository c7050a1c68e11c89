// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProcComparison

/// Measures what the libraries cost, each figure beside its reference.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zproc-bench",
        abstract: "Measures what the libraries cost, each figure in turns with its reference.",
        discussion: """
            The ratio is the figure divided by its reference's. Times should stay below the reach, rates above it; being \
            short of it is not an error. Build for release: swift run -c release zproc-bench
            """
    )

    @Option(help: ArgumentHelp("Only the rows whose names begin like this.", valueName: "prefix"))
    var only: String?

    @Option(help: "How long to measure each row, both sides together.")
    var seconds = 2.0

    @Option(help: ArgumentHelp("Write the figures to this file, too.", valueName: "file"))
    var json: String?

    @Flag(help: "Print the names of the rows and end.")
    var list = false

    private var rows: [Row] {
        Row.all.filter { $0.name.hasPrefix(only ?? "") }
    }

    func validate() throws {
        guard seconds.isFinite, seconds > 0, seconds <= 3600 else {
            throw ValidationError("--seconds must be more than 0 and at most 3600")
        }
        if rows.isEmpty {
            throw ValidationError(
                "no row begins with '\(only ?? "")'; there are: \(Row.names(of: Row.all).joined(separator: ", "))"
            )
        }
    }

    func run() async throws {
        if list { return printLine(Row.names(of: rows).joined(separator: "\n")) }
        let file = try json.map { try OutputFile(path: $0) }
        #if DEBUG
        printError("this is a debug build; its figures mean little. Build with -c release")
        #endif
        let table = Table(rows: rows), turns = Turns(seconds: seconds)
        printLine(table.header)
        var results: [RowResult] = []
        var hasFailed = false
        for row in rows {
            do {
                let result = try RowResult(row: row, figures: try await row.measure(turns))
                printLine(table.line(for: result))
                results.append(result)
            } catch {
                hasFailed = true
                printError("\(row.name) on \(row.backendName): \(error)")
            }
        }
        try file?.write(JSONReport(results: results).text)
        if hasFailed { throw ExitCode.failure }
    }
}
