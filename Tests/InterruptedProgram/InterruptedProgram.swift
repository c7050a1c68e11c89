// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import ZProc

/// A program for the tests to interrupt: it spawns a small tree, says so, and waits.
///
///     InterruptedProgram processes|threads [deaf] [nested] [supervised] [blocking] [stuck]
@main struct InterruptedProgram {
    static func main() async throws {
        let isDeaf = CommandLine.arguments.contains("deaf")
        if CommandLine.arguments.contains("supervised") { return try await supervise() }
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
                    try await state.increment("ready")
                    try await inner.value
                }
            }
            try await state.first { $0["ready", default: 0] == 4 }
            say("address \(try context.address)")
            if CommandLine.arguments.contains("blocking") {
                return try await withTaskCancellationHandler {
                    say("ready")
                    try await untilCancelled("the scope tidies up")
                } onCancel: {
                    say("the handler blocks")
                    while true { usleep(1_000_000) }
                }
            }
            if CommandLine.arguments.contains("stuck") {
                Context.setSignalPatience(.seconds(1))
                for _ in 0..<sysconf(Int32(_SC_NPROCESSORS_ONLN)) {
                    Task.detached { while true { usleep(1_000_000) } }
                }
            }
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

/// A process with a supervisor, which tells how often that has started its child.
private func supervise() async throws {
    try await withContext(.processes) { context in
        let state = context.state
        try await context.spawn {
            let supervisor = try context.supervisor(intensity: RestartIntensity(1_000, within: .seconds(1)))
            try await supervisor.spawn("inner") {
                try await state.set("ready", to: true)
                try await untilCancelled("inner tidies up")
            }
            try? await supervisor.wait()
            // A task that is not cancelled.
            let starts = await Task.detached {
                for await event in supervisor.events { if case .ended = event.kind { break } }
                // Done after all that follows from the end.
                try? await supervisor.remove("inner")
                await supervisor.stop()
                var starts = 0
                for await event in supervisor.events { if case .started = event.kind { starts += 1 } }
                return starts
            }.value
            say("starts: \(starts)")
        }
        try await state.first { $0.contains("ready") }
        say("ready")
        try await untilCancelled("the scope tidies up")
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
