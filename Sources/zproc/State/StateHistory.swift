// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct StateHistory: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Lists the values a key has had, oldest first, as far back as they are kept."
    )

    @Argument(help: "The key.") var key: String
    @OptionGroup var state: StateOption
    @OptionGroup var format: FormatOption

    func run() async throws {
        let values = try await state.withState { try await $0.history(of: key) }
        if format.json {
            try Output.put(.array(values.map { JSON($0) }))
        } else {
            var table = Table(
                .init(title: "REVISION", isNumber: true),
                .init(title: "TIME"),
                .init(title: "ORIGIN"),
                .init(title: "VALUE")
            )
            for value in values {
                table.add(
                    value.revision.description,
                    TimeText.text(of: value.time) ?? "?",
                    value.origin.description,
                    value.value.map { JSON($0).text() } ?? "(removed)"
                )
            }
            try Output.put(table)
        }
    }
}

extension JSON {
    init(_ past: PastValue) {
        self = .object([
            Member("revision", JSON(past.revision)),
            Member("time", JSON(time: past.time)),
            Member("origin", .string(past.origin.description)),
            past.value.map { Member("value", JSON($0)) } ?? Member("removed", .bool(true)),
        ])
    }
}
