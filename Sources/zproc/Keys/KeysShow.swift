// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct KeysShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Prints what is public in a file of keys: its public key, its hub's, and whom it lets in."
    )

    @Argument(help: "The file.", completion: .file()) var file: String
    @Flag(help: "Print the file's own public key and nothing else.") var `public` = false
    @OptionGroup var format: FormatOption

    func run() throws {
        let keys = try KeyFile(path: file)
        if `public` {
            try Output.put(
                format.json ? JSON.string(keys.own.publicKey.description).text() + "\n" : "\(keys.own.publicKey)\n"
            )
            return
        }
        let allowed = KeyLines.allowed(in: String(decoding: try Files.read(file), as: UTF8.self))
        if format.json {
            try Output.put(
                .object([
                    .init("public", .string(keys.own.publicKey.description)),
                    .init("hub", keys.hub.map { .string($0.description) } ?? .null),
                    .init(
                        "allowed",
                        .array(
                            allowed.map { client in
                                .object([
                                    .init("key", .string(client.key.description)),
                                    .init("role", .string(client.role.rawValue)),
                                    .init("name", client.name.map { .string($0) } ?? .null),
                                ])
                            }
                        )
                    ),
                ])
            )
            return
        }
        var table = Table(.init(title: "KIND"), .init(title: "KEY"), .init(title: "ROLE"), .init(title: "NAME"))
        table.add("public", keys.own.publicKey.description, "", "")
        if let hub = keys.hub { table.add("hub", hub.description, "", "") }
        for client in allowed {
            table.add("allow", client.key.description, client.role.rawValue, client.name ?? "")
        }
        try Output.put(table)
    }
}
