// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct StateGet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Prints the value of a key; fails when there is none."
    )

    @Argument(help: "The key.") var key: String
    @OptionGroup var state: StateOption
    @OptionGroup var format: FormatOption

    func run() async throws {
        guard let value = try await state.withState({ try await $0.get(key, as: Value.self) }) else {
            throw Failure("there is no value for '\(key)'")
        }
        try Output.put(JSON(value), format.layout)
    }
}
