// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Dispatch
import Glibc

/// Where the program starts, for people and for the processes it starts itself.
@main enum Program {
    static func main() {
        if let role = ChildRole.ofThisProcess {
            // First of all: how long this takes to end is measured too.
            if case .exit = role { exit(0) }
            Task.detached { await role.run() }
            // Not `dispatchMain`: the signals that it waits for end valgrind.
            while true { pause() }
        }
        Task {
            await Bench.main()
            exit(0)
        }
        dispatchMain()
    }
}
