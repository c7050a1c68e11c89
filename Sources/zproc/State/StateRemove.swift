// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct StateRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Removes a key and prints the value it had; fails when it had none."
    )

    @Argument(help: "The key.") var key: String
    @OptionGroup var state: StateOption
    @OptionGroup var format: FormatOption

    func run() async throws {
        let removed: Value? = try await state.withState { try await $0.remove(key) }
        guard let removed else { throw Failure("there is no value for '\(key)'") }
        try Output.put(JSON(removed), format.layout)
    }
}
