// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct StateList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the keys of a namespace, or the namespaces.",
        discussion: "Control characters are replaced; with --json names are exact."
    )

    @Flag(help: "List the hub's namespaces.") var namespaces = false
    @OptionGroup var state: StateOption
    @OptionGroup var format: FormatOption

    func run() async throws {
        let names =
            namespaces
            ? try await state.hub.withHub { try await $0.namespaces() }
            : try await state.withState { try await $0.keys() }.sorted()
        if format.json {
            try Output.put(.array(names.map { .string($0) }))
        } else {
            try Output.put(names.map { "\(Text.printable($0))\n" }.joined())
        }
    }
}
