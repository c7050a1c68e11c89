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
func eventually(within limit: Duration = .seconds(120), _ condition: () async throws -> Bool) async throws {
    let clock = ContinuousClock(), end = clock.now + limit
    while try await !condition() {
        guard clock.now < end else { throw TimedOut() }
        try await clock.sleep(for: .milliseconds(2))
    }
}

/// Whether a process exists and is not a zombie.
func isAlive(_ pid: Int) -> Bool {
    let state = processState(pid)
    return state != nil && state != "Z"
}

/// The letter by which the system calls the state of a process; nil when there is none.
func processState(_ pid: Int) -> Substring? {
    guard let file = fopen("/proc/\(pid)/stat", "r") else { return nil }
    defer { fclose(file) }
    var text = [UInt8](repeating: 0, count: 512)
    let count = fread(&text, 1, text.count, file)
    // The state follows the name, which ends with the last parenthesis.
    let stat = String(decoding: text.prefix(count), as: UTF8.self)
    guard let end = stat.lastIndex(of: ")") else { return nil }
    return stat[stat.index(after: end)...].split(separator: " ").first
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

/// The ways from a client to a hub of the same machine.
enum HubWay: String, CaseIterable, CustomTestStringConvertible {
    case tcp, ipc
    /// Over the hub's socket, from its address for tcp.
    case nearby

    var testDescription: String { rawValue }
    /// Where a hub listens, in a directory where need be.
    func address(in directory: String, port: String = "*") -> String {
        self == .ipc ? "ipc://\(directory)/hub" : "tcp://127.0.0.1:\(port)"
    }
    /// What has a client take this way.
    var options: ContextOptions {
        var options = ContextOptions()
        options.transport = self == .nearby ? .unixSockets : .zeroMQ
        return options
    }
}

/// Sizes and seeds of long tests come from the environment.
enum Environment {
    static func number(_ name: String, default defaultValue: Int) -> Int {
        getenv(name).flatMap { Int(String(cString: $0)) } ?? defaultValue
    }
}

/// Numbers that are the same for the same seed.
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    /// Prints the seed, which is that of `ZPROC_SEED` or a new one.
    static func announced(_ purpose: String) -> SeededRandom {
        let seed = Environment.number("ZPROC_SEED", default: .random(in: 0...Int.max))
        print("\(purpose): seed \(seed)")
        return SeededRandom(state: UInt64(truncatingIfNeeded: seed))
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// Writes all of a text to the standard output.
func put(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
        if count <= 0 { return }
        rest = rest.dropFirst(count)
    }
}

/// Writes a text to the standard error.
func say(_ text: String) { write(STDERR_FILENO, text, text.utf8.count) }

extension ProcessOptions {
    /// The runtime's tool that prints where a program trapped takes a second, and memory.
    static var withoutBacktrace: ProcessOptions {
        var options = ProcessOptions()
        options.environment = ["SWIFT_BACKTRACE": "enable=no"]
        return options
    }
}

extension Context {
    /// Publishes at an address whose socket may still be held by one that has ended a moment ago.
    func publishWhenFree(at address: String) async throws {
        try await eventually {
            do { try publish(at: address) } catch let error as TransportError where error.code == .addressInUse {
                return false
            }
            return true
        }
    }
}
