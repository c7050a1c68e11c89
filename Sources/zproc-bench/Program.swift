// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// Where the program starts, for people and for the processes it starts itself.
@main enum Program {
    static func main() async {
        // First of all: how long this takes to end is measured too.
        if let role = ChildRole.ofThisProcess { await role.run() }
        await Bench.main()
    }
}
