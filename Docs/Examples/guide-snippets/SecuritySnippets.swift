// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import Glibc
import ZProc

/// The pieces of `Security.md`, in its order; what is between the lines is the guide's, word for word.
enum SecuritySnippets {
    static func run() async throws {
        let hubPair = try KeyPair.generate(), readerPair = try KeyPair.generate()
        let writerPair = try KeyPair.generate(), runnerPair = try KeyPair.generate()
        let hub = try Context(.threads)
        // ---
        let keys = HubKeys(
            own: hubPair,
            allowed: [readerPair.publicKey: .reader, writerPair.publicKey: .writer, runnerPair.publicKey: .runner]
        )
        let address = try hub.publish(at: "tcp://127.0.0.1:*", HubOptions(keys: keys))
        let credentials = Credentials(own: writerPair, hub: hubPair.publicKey)
        let context = try await Context(connectingTo: address, credentials: credentials)
        // ---
        try await context.state.set("key", to: 1)
        await context.shutdown()
        await hub.shutdown()
        try file(hubPair)
    }

    static func file(_ hubPair: KeyPair) throws {
        let path = "/tmp/zproc-guide-keys-\(getpid())"
        // ---
        try KeyFile(own: hubPair).write(to: path)  // or: zproc keys new FILE
        let file = try KeyFile(path: path)
        // ---
        unlink(path)
        try expect("keys", file.own, hubPair)
    }
}
