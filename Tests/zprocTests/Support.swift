// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

/// The condition did not come true in time.
struct TimedOut: Error {}
struct TestFailure: Error { var reason: String }

/// Waits until `condition` holds, looking every few milliseconds; the one place where these tests poll.
func eventually(within limit: Duration = .seconds(120), _ condition: () async throws -> Bool) async throws {
    let clock = ContinuousClock(), end = clock.now + limit
    while try await !condition() {
        guard clock.now < end else { throw TimedOut() }
        try await clock.sleep(for: .milliseconds(2))
    }
}

/// A directory that ends with its test, and the programs that run in it.
final class Place: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/zproc-cli-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestFailure(reason: "no directory") }
        path = template.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    deinit {
        guard let stream = opendir(path) else { return }
        defer {
            closedir(stream)
            rmdir(path)
        }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            unlink("\(path)/\(name)")
        }
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func read(_ name: String) -> String {
        guard let file = fopen(file(name), "r") else { return "" }
        defer { fclose(file) }
        var text: [UInt8] = [], bytes = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&bytes, 1, bytes.count, file)
            if count == 0 { return String(decoding: text, as: UTF8.self) }
            text += bytes.prefix(count)
        }
    }

    func write(_ text: String, to name: String) throws {
        guard let file = fopen(file(name), "w") else { throw TestFailure(reason: "cannot write \(name)") }
        fputs(text, file)
        fclose(file)
    }

    /// Runs the program to its end.
    func zproc(
        _ arguments: String...,
        input: String? = nil,
        environment: [String: String] = [:]
    ) async throws -> Run.Outcome {
        try await Run(arguments, in: self, input: input, environment: environment).outcome()
    }

    /// Runs a hub, and waits until it listens.
    func serve(_ arguments: String..., environment: [String: String] = [:]) async throws -> Run {
        let run = try Run(["serve"] + arguments, in: self, environment: environment)
        try await eventually {
            if run.output.hasSuffix("\n") { return true }
            guard try !run.hasEnded() else { throw TestFailure(reason: "the hub has ended: \(run.errors)") }
            return false
        }
        return run
    }
}

/// A run of the program that was built beside the tests; it does not outlive its test.
final class Run: @unchecked Sendable {
    struct Outcome: Equatable {
        var status: Int32
        var output: String
        var errors: String
    }

    /// Runs programs in network namespaces.
    static let hostTool = "/usr/sbin/ip"

    let pid: pid_t
    private let place: Place
    private let name = "run-\(UInt64.random(in: 0 ... .max))"
    /// Of the one task that runs the test.
    private var status: Int32?

    init(
        _ arguments: [String],
        in place: Place,
        input: String? = nil,
        environment: [String: String] = [:],
        terminal: Int32? = nil,
        host: String? = nil
    ) throws {
        self.place = place
        let own = CommandLine.arguments[0]
        let program = "\(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])/zproc"
        let path = host == nil ? program : Self.hostTool
        let arguments = (host.map { ["netns", "exec", $0, program] } ?? []) + arguments
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let isNew = O_WRONLY | O_CREAT | O_TRUNC
        if let terminal {
            for number in [STDIN_FILENO, STDOUT_FILENO] { posix_spawn_file_actions_adddup2(&actions, terminal, number) }
        } else {
            if let input { try place.write(input, to: "\(name).in") }
            let source = input == nil ? "/dev/null" : place.file("\(name).in")
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, source, O_RDONLY, 0)
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, place.file("\(name).out"), isNew, 0o600)
        }
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, place.file("\(name).err"), isNew, 0o600)
        var variables = environment
        for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "XDG_RUNTIME_DIR", "TERM"]
        where variables[name] == nil {
            variables[name] = getenv(name).map { String(cString: $0) }
        }
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var pairs: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        var pid: pid_t = 0
        let error = posix_spawn(&pid, path, &actions, nil, &words, &pairs)
        for text in words + pairs { free(text) }
        self.pid = pid
        try #require(error == 0, "\(path): \(String(cString: strerror(error)))")
    }

    deinit {
        guard status == nil else { return }
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    var output: String { place.read("\(name).out") }
    var errors: String { place.read("\(name).err") }
    var lines: [String] { output.split(separator: "\n").map(String.init) }

    /// Of a hub: where it listens.
    var address: String {
        get throws {
            let line = try #require(lines.first)
            return String(try #require(line.split(separator: "listening at ").last))
        }
    }

    func hasEnded() throws -> Bool {
        if status != nil { return true }
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return false }
        self.status = status
        return true
    }

    /// Waits for the end; a signal that ends it counts as 128 and its number.
    func end() async throws -> Int32 {
        try await eventually { try hasEnded() }
        let status = try #require(status)
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }

    func outcome() async throws -> Outcome { Outcome(status: try await end(), output: output, errors: errors) }
}
