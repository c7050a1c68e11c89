// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct StateSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Gives a key a value.",
        discussion: """
            Other users of this machine can see arguments while a command runs; a value that is none of their business \
            comes over the standard input, with '-'.
            """
    )

    @Argument(help: "The key.") var key: String
    @Argument(help: "The value as JSON; '-' for what the standard input says.")
    var value: String
    @Flag(help: "Take the value for a string as it stands, not for JSON.") var string = false
    @OptionGroup var state: StateOption

    func run() async throws {
        let value = try Self.value(value, isString: string)
        try await state.withState { try await $0.set(key, to: value) }
    }

    static func value(_ text: String, isString: Bool) throws -> Value {
        let bytes = text == "-" ? try Files.read("-") : Array(text.utf8)
        if isString {
            guard let string = String(validating: bytes, as: UTF8.self) else { throw Failure("the value is not UTF-8") }
            return .string(string)
        }
        do throws(JSONError) {
            return try JSONReader.read(bytes).value()
        } catch {
            throw ValidationError("The value is no JSON: \(error) (--string takes any text for a string)")
        }
    }
}
