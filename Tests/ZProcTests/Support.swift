// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

extension Tag {
    @Tag static var process: Self
    @Tag static var state: Self
    @Tag static var actors: Self
    @Tag static var fault: Self
}

/// The condition did not come true in time.
struct TimedOut: Error {}

/// Waits until `condition` holds, looking every few milliseconds; the one place where tests poll.
func eventually(within limit: Duration = .seconds(60), _ condition: () async throws -> Bool) async throws {
    let clock = ContinuousClock(), end = clock.now + limit
    while try await !condition() {
        guard clock.now < end else { throw TimedOut() }
        try await clock.sleep(for: .milliseconds(2))
    }
}

/// Whether a process exists and is not a zombie.
func isAlive(_ pid: Int) -> Bool {
    guard let file = fopen("/proc/\(pid)/stat", "r") else { return false }
    defer { fclose(file) }
    var text = [UInt8](repeating: 0, count: 512)
    let count = fread(&text, 1, text.count, file)
    // The state follows the name, which ends with the last parenthesis.
    let stat = String(decoding: text.prefix(count), as: UTF8.self)
    guard let end = stat.lastIndex(of: ")") else { return false }
    return stat[stat.index(after: end)...].split(separator: " ").first != "Z"
}

/// Whether the system still has an entry for a process, be it a zombie.
func exists(_ pid: Int) -> Bool { access("/proc/\(pid)", F_OK) == 0 }

struct TestFailure: Error, Codable, Equatable { var reason: String }
struct PlainError: Error, CustomStringConvertible { var description: String }

/// The ways a state can be kept and reached; all must do the same.
struct StateWay: Sendable, CustomTestStringConvertible {
    let engine: StateOptions.Engine
    let access: StateOptions.Access

    static let all = StateOptions.Engine.allCases.filter { $0 != .automatic }.flatMap { engine in
        StateOptions.Access.allCases.map { StateWay(engine: engine, access: $0) }
    }

    var options: StateOptions { StateOptions(engine: engine, access: access) }
    var testDescription: String { "\(engine) engine, \(access) access" }
}
