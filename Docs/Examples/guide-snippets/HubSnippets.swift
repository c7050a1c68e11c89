// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import Glibc
import ZProc

/// The pieces of `Hub.md`, in its order; what is between the lines is the guide's, word for word.
enum HubSnippets {
    static func run() async throws {
        // ---
        let hub = try Context(.processes)
        let address = try hub.publish(at: "tcp://127.0.0.1:*")  // tcp://127.0.0.1:40123
        // ---
        try await piece2(address)
        try expect("visits", try await hub.state.get("visits", as: Int.self), 2)
        try await piece3(hub)
        try await piece4(hub)
        await hub.shutdown()
        unlink("/tmp/bakery.sock")
    }

    static func piece2(_ address: String) async throws {
        // ---
        try await withContext(connectingTo: address) { context in
            try await context.state.increment("visits")
            try await context.state.update { $0["last", default: ""] = "a visitor" }
            try await context.spawn { try await context.state.increment("visits") }.value
        }
        // ---
    }

    static func piece3(_ context: Context) async throws {
        // ---
        do {
            try await context.state.increment("visits")
        } catch {
            switch CallOutcome(of: error) {
            case .notSent: print("nothing was done: \(error)")
            case .unknown: print("it may have been done: \(error)")
            case .failed: print("it was refused or failed there: \(error)")
            }
        }
        // ---
    }

    static func piece4(_ hub: Context) async throws {
        // ---
        var options = HubOptions()
        options.limits.peers = 200
        options.limits.requestsPerSecond = 5_000
        options.limits.callsInFlight = 500  // watches are calls that wait
        options.limits.messageByteCount = 8 << 20
        options.limits.requestBacklog = 50
        options.limits.unreadMessages = 1_000
        options.limits.namespaces = 100
        try hub.publish(at: "ipc:///tmp/bakery.sock", options)
        // ---
    }
}
