// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct KeysAllow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "allow",
        abstract: "Adds a client to a hub's file of keys, or gives it another role.",
        discussion: """
            A reader reads and watches the state, a writer changes it too, a runner also sends closures and so runs any \
            code as the hub's user. A running hub has read its file: start it anew. A key that begins with '-' is given \
            after '--'.
            """
    )

    @Argument(help: "The hub's file.", completion: .file()) var file: String
    @Argument(help: "The client's public key.", transform: { try PublicKey(option: $0) }) var key: PublicKey
    @Argument(help: "What it may do: \(Role.names).", transform: { try Role(option: $0) }) var role: Role
    @Option(help: "What people call it.") var name: String?

    func validate() throws {
        guard name.map({ !$0.isEmpty && Text.printable($0) == $0 }) ?? true else {
            throw ValidationError("--name is one line of text")
        }
    }

    func run() throws {
        // Makes sure that it is such a file, and that nobody else can read it.
        _ = try KeyFile(path: file)
        let old = String(decoding: try Files.read(file), as: UTF8.self)
        let new = KeyLines.allowing(.init(key: key, role: role, name: name), in: old)
        _ = try KeyFile(text: new, path: file)
        try Files.replace(file, with: new)
    }
}
