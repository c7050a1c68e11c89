// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct StateRestore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Makes a namespace what it was at a revision, as a new revision; nothing is rewritten."
    )

    @Argument(
        help: "Which revision; 'zproc state history' and 'watch' tell them.",
        transform: { try Revision(option: $0) }
    )
    var revision: Revision
    @OptionGroup var state: StateOption

    func run() async throws { try await state.withState { try await $0.restore(to: revision) } }
}
