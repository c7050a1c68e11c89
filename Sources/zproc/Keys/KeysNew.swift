// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct KeysNew: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Makes a pair of keys in a new file that only you can read, and prints the public key."
    )

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("For a client: the public key of its hub.", valueName: "key"),
        transform: { try PublicKey(option: $0) }
    )
    var hub: PublicKey?
    @Argument(help: "The file; there must be none of that name.", completion: .file()) var file: String

    func run() throws {
        let keys = KeyFile(own: try Self.makePair(), hub: hub)
        try keys.write(to: file)
        try Output.put("\(keys.own.publicKey)\n")
    }

    /// A public key that begins with '-' would look like an option to every program it is given to.
    private static func makePair() throws -> KeyPair {
        while true {
            let pair = try KeyPair.generate()
            if !pair.publicKey.description.hasPrefix("-") { return pair }
        }
    }
}
