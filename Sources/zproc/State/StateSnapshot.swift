// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct StateSnapshot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Prints all entries of a namespace at one revision, as JSON."
    )

    @Option(help: "Which revision; the newest when nothing is said.", transform: { try Revision(option: $0) })
    var at: Revision?
    @OptionGroup var state: StateOption
    @OptionGroup var format: FormatOption

    func run() async throws {
        let snapshot = try await state.withState { state in
            if let at { try await state.snapshot(at: at) } else { try await state.snapshot() }
        }
        let json = JSON.object([
            .init("namespace", .string(state.namespace)),
            .init("revision", JSON(snapshot.revision)),
            .init("entries", JSON(snapshot)),
        ])
        try Output.put(json, format.layout)
    }
}
