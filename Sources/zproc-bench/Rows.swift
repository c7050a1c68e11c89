// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProcComparison

/// `zproc-bench [rows]`: each figure in turns with its reference.
struct Rows: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures what the libraries cost, each figure in turns with its reference.",
        discussion: """
            The ratio is the figure divided by its reference's, in each round; the median of the rounds counts. Times \
            should stay below the reach, rates above it; being short of it is not an error. Being worse than a baseline is, \
            after the row was measured anew twice and stayed worse. Build for release: swift run -c release zproc-bench
            """
    )

    @Option(help: ArgumentHelp("Only the rows whose names begin like this.", valueName: "prefix"))
    var only: String?

    @Option(help: "How long to measure each row, both sides together.")
    var seconds = 2.0

    @OptionGroup var gate: GateOptions

    @Flag(help: "Print the names of the rows and end.")
    var list = false

    /// How often a row that is worse than the baseline's is measured before it counts.
    private static let trials = 3

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
        let baseline = try gate.baseline.map { try Baseline<RowFigure>(path: $0) }
        let file = try gate.json.map { try OutputFile(path: $0) }
        #if DEBUG
        printError("this is a debug build; its figures mean little. Build with -c release")
        #endif
        let table = Table(rows: rows)
        printLine(table.header)
        var results: [RowResult] = []
        var hasFailed = false
        for row in rows {
            do {
                let (result, verdict) = try await measure(row, baseline)
                printLine(table.line(for: result))
                results.append(result)
                switch verdict {
                case .kept: break
                case .new: printError("\(row.name) on \(row.backendName) is not in the baseline")
                case .regressed(let before, let now):
                    hasFailed = true
                    printError(
                        "\(row.name) on \(row.backendName) is worse: the ratio is \(formatted(now)), and "
                            + "\(formatted(before)) in the baseline"
                    )
                }
            } catch {
                hasFailed = true
                printError("\(row.name) on \(row.backendName): \(error)")
            }
        }
        try file?.write(try JSONReport.text(of: JSONReport(results: results)))
        if hasFailed { throw ExitCode.failure }
    }

    /// Measures a row; once more, and yet once more, when it is worse than the baseline has it.
    private func measure(_ row: Row, _ baseline: Baseline<RowFigure>?) async throws -> (RowResult, Verdict) {
        var trial = 1
        while true {
            let result = try RowResult(row: row, figures: try await row.measure(Turns(seconds: seconds)))
            let verdict = baseline?.verdict(on: RowFigure(result), tolerance: gate.tolerance) ?? .kept
            guard case .regressed = verdict, trial < Self.trials else { return (result, verdict) }
            trial += 1
        }
    }
}
