// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import Glibc
import ZProc

struct BurntCake: Error, Codable, Equatable { var degrees: Int }

/// What goes wrong in another process arrives here as an error that says what it was.
@main struct RemoteErrors {
    static func main() async throws {
        try await withContext(Backend.chosen) { context in
            // An error that is Codable keeps its type and its content.
            let cake = try await context.spawn(300) { degrees in if degrees > 250 { throw BurntCake(degrees: degrees) }
            }
            do {
                try await cake.value
            } catch let burnt as BurntCake {
                try expect("burnt at", burnt.degrees, 300)
            }

            // A crash is an error, too, where it happens in another process.
            var options = ProcessOptions()
            options.environment = ["SWIFT_BACKTRACE": "enable=no"]
            options.standardError = .discarded
            for (what, body) in crashes {
                do {
                    try await context.isolated(options: options, body: body)
                    throw Surprise("\(what): nothing happened")
                } catch let end as ProcessTermination {
                    print("\(what): \(end)")
                }
            }

            // Whoever dies by SIGKILL is tried again.
            if context.backend == .processes {
                let state = context.state
                let lives = try await context.spawn(retry: RetryPolicy(9, on: .signal(SIGKILL))) {
                    let life = try await state.increment("lives")
                    if life < 9 { kill(getpid(), SIGKILL) }
                    return life
                }
                try expect("lives of a cat", try await lives.value, 9)
            }
        }
    }

    static let crashes: [(String, @concurrent @Sendable () async throws -> Void)] = [
        ("an index out of range", { _ = [1, 2, 3][Int(getpid())] }),
        ("a signal", { kill(getpid(), SIGUSR1) }),
        ("an exit", { if getpid() > 0 { exit(3) } }),
    ]
}
