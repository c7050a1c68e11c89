// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

/// Files of keys.
struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes files of keys, shows what is public in them, and says whom a hub lets in.",
        discussion: """
            For a hub and a client of its:
              zproc keys new hub.keys
              zproc keys new --hub "$(zproc keys show --public hub.keys)" client.keys
              zproc keys allow hub.keys "$(zproc keys show --public client.keys)" writer
              zproc serve --address tcp://10.0.0.1:5555 --keys hub.keys
              zproc ping tcp://10.0.0.1:5555 --keys client.keys
            """,
        subcommands: [KeysNew.self, KeysShow.self, KeysAllow.self]
    )
}

extension PublicKey {
    init(option: String) throws {
        guard let key = PublicKey(option) else {
            throw ValidationError("a public key has 40 characters, as 'zproc keys show --public FILE' prints them")
        }
        self = key
    }
}

extension Role {
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    init(option: String) throws {
        guard let role = Role(rawValue: option) else { throw ValidationError("a role is one of \(Self.names)") }
        self = role
    }
}
