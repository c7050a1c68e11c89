// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import ZProc

/// A program for the tests to interrupt: it spawns a small tree, says so, and waits.
///
///     InterruptedProgram processes|threads [deaf] [nested]
@main struct InterruptedProgram {
    static func main() async throws {
        let isDeaf = CommandLine.arguments.contains("deaf")
        try await withContext(Backend(named: CommandLine.arguments[1])) { context in
            let state = context.state
            for _ in 0..<2 {
                try await context.spawn {
                    let inner = try await context.spawn {
                        try await state.increment("ready")
                        if isDeaf { while true { usleep(1_000_000) } }
                        try await untilCancelled("inner tidies up")
                    }
                    say("pid \(getpid()) \(inner.pid ?? 0)")
                    try await inner.value
                }
            }
            try await state.first { $0["ready", default: 0] == 2 }
            say("address \(try context.address)")
            if !CommandLine.arguments.contains("nested") { say("ready") }
            guard CommandLine.arguments.contains("nested") else {
                return try await untilCancelled("the scope tidies up")
            }
            try await withContext(context.backend) { inner in
                let process = try await inner.spawn { try await untilCancelled("inner tidies up") }
                say("ready")
                try await process.value
            }
        }
    }
}

private func untilCancelled(_ lastWords: String) async throws {
    do {
        try await Task.sleep(for: .seconds(1_000))
    } catch {
        say(lastWords)
        throw error
    }
}

private func say(_ line: String) {
    let text = "\(line)\n"
    write(STDOUT_FILENO, text, text.utf8.count)
}
