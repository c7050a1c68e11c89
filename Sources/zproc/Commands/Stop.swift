// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

/// Stops one of a hub's processes.
struct Stop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stops a process that the hub has spawned, and waits until it has gone.",
        discussion: """
            It is asked to end first, then gets SIGTERM, then SIGKILL. Not for the hub itself, which ends in order when \
            its process gets SIGTERM.
            """
    )

    @Argument(help: "The process's number, as 'zproc ps' lists it.") var id: Int
    @OptionGroup var hub: HubOption

    func run() async throws {
        let isThere = try await hub.withHub { try await $0.stopHubProcess(id) }
        guard isThere else { throw Failure("the hub has spawned no process \(id); see 'zproc ps'") }
    }
}
