// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import ZProc

extension Row {
    /// The whole life of a process.
    static let spawning = [
        Row("spawn.roundtrip", on: .processes, in: .microseconds, against: "posix_spawn + wait", reach: .atMost(2)) {
            turns in
            try await withContext(.processes) { context in
                try await turns.alternate {
                    try await sample(for: $0) { _ in
                        let process = cbr_start(ChildRole.variable, ChildRole.exit.text, nil)
                        guard process > 0, cbr_wait(process) == 0 else { throw BenchError("cannot start this program") }
                    }
                } ours: {
                    try await sample(for: $0) { _ in
                        let process = try await context.spawn { 1 }
                        guard try await process.value == 1 else {
                            throw BenchError("the body has returned something else")
                        }
                    }
                }
            }
        }
    ]
}
