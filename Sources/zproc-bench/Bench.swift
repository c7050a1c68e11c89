// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// The program's commands.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zproc-bench",
        abstract: "Measures what the libraries cost.",
        subcommands: [Rows.self, Instructions.self, Scale.self],
        defaultSubcommand: Rows.self
    )
}

/// What commands that hold figures against earlier ones share.
struct GateOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Hold the figures against those of this file, which --json wrote.", valueName: "file"))
    var baseline: String?

    @Option(help: "By which part a figure may be worse than the baseline's.")
    var tolerance = 0.25

    @Option(help: ArgumentHelp("Write the figures to this file, too.", valueName: "file"))
    var json: String?

    func validate() throws {
        guard tolerance.isFinite, tolerance >= 0 else { throw ValidationError("--tolerance must be 0 or more") }
    }
}
