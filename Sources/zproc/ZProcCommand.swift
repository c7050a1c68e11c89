// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

/// Not the one that the library has for itself.
typealias Flag = ArgumentParser.Flag

@main struct ZProcCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zproc",
        abstract: "Runs a hub, and looks after hubs: their state, processes, tasks and keys.",
        discussion: """
            Where a command wants the address of a hub, ZPROC_ADDRESS is it when --address is not given; where it wants \
            keys, ZPROC_KEYS names the file when --keys is not given. Keys themselves stand in files only.

            Tables and colours are for terminals (no colours with NO_COLOR set); elsewhere the columns are separated \
            by tabs, and --json gives JSON. To have your shell complete commands, give it what \
            'zproc --generate-completion-script bash' (or zsh, or fish) prints.

            EXIT STATUS:
              0   done
              1   failed; the reason is one line on the standard error, 'zproc: …'
              2   the hub cannot be reached, or has not answered in time
              3   the hub does not let these keys in, or does not let them do that
              64  the command line is wrong
            """,
        version: zprocVersion,
        subcommands: [
            Serve.self, Ping.self, StateCommand.self, Ps.self, Tasks.self, Stop.self, Top.self, Keys.self, Doctor.self,
        ]
    )

    static func main() async {
        do {
            var command = try parseAsRoot(Self.protectingNumbers(Array(CommandLine.arguments.dropFirst())))
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            Failure.end(with: error)
        }
    }

    /// The arguments of `state set KEY -5` with the number where the parser does not take it for an option: behind `--`.
    static func protectingNumbers(_ arguments: [String]) -> [String] {
        guard arguments.starts(with: ["state", "set"]), !arguments.contains("--") else { return arguments }
        let place = arguments.lastIndex { word in
            word.hasPrefix("-") && word.dropFirst().first.map { $0.isASCII && $0.isNumber } ?? false
        }
        guard let place else { return arguments }
        var others = arguments
        let number = others.remove(at: place)
        return others + ["--", number]
    }
}
