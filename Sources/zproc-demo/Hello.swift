// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import ZProc

/// Two bodies, one state.
struct Hello: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A spawned body and its parent talk over the shared state."
    )

    @OptionGroup var options: BackendOption

    func run() async throws {
        try await withContext(options.backend) { context in
            let state = context.state
            try await state.set("msg", to: "hello!")

            let greeting = "bye!"
            let process = try await context.spawn {
                print(try await state.get("msg", as: String.self) ?? "", "(in process \(getpid()))")
                fflush(nil)
                try await state.set("msg", to: greeting)
            }
            try await process.value
            print(try await state.snapshot(), "(in process \(getpid()))")
        }
    }
}
