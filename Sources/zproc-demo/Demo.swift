// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

@main struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zproc-demo",
        abstract: "Shows what ZProc does, on threads or on processes: the same code, one word different.",
        subcommands: [Hello.self, WordCount.self, Bank.self]
    )
}

/// The option all demos have.
struct BackendOption: ParsableArguments {
    @Option(
        name: .customLong("backend"),
        help: "What spawned bodies run on: threads or processes.",
        transform: { try Backend(named: $0) }
    )
    var backend: Backend = .processes
}

/// A demo found that its own result is wrong.
struct CheckFailed: Error, CustomStringConvertible {
    let description: String
}
