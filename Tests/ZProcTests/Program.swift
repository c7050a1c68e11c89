// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

/// A run of a program that was built beside the tests, or of the tests' own, in a process group of its own.
final class Program: Sendable {
    enum End: Equatable { case exited(Int32), signaled(Int32) }

    let pid: pid_t
    private let output: Int32

    /// - Parameters:
    ///   - name: which, or a path; nil for the tests' own.
    ///   - arguments: what it is given.
    ///   - environment: variables it has beside this process's.
    ///   - takesErrors: whether its lines are also those of its standard error.
    /// - Throws: when it cannot be started.
    init(
        _ name: String? = nil,
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        takesErrors: Bool = false
    ) throws {
        let own = CommandLine.arguments[0]
        let folder = own[..<(own.lastIndex(of: "/") ?? own.startIndex)]
        let path = if let name { name.hasPrefix("/") ? name : "\(folder)/\(name)" } else { own }
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t(), attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        if takesErrors { posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO) }
        // Signals that a thread of a pool does not take are taken by the program.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = []
        var next = environ
        while let variable = next.pointee {
            variables.append(strdup(variable))
            next += 1
        }
        variables += environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        var pid: pid_t = 0
        let error = posix_spawn(&pid, path, &actions, &attributes, &words, variables)
        for variable in variables { free(variable) }
        for word in words { free(word) }
        posix_spawn_file_actions_destroy(&actions)
        posix_spawnattr_destroy(&attributes)
        close(ends[1])
        output = ends[0]
        try #require(error == 0, "\(path): \(String(cString: strerror(error)))")
        self.pid = pid
        _ = fcntl(output, F_SETFL, O_NONBLOCK)
    }

    /// It does not outlive its test.
    deinit {
        close(output)
        kill(-pid, SIGKILL)
    }

    func linesUntilReady() async throws -> [String] { try await lines(until: "ready") }

    /// What it writes up to a line that is the last so far.
    func lines(until last: String) async throws -> [String] {
        var text: [UInt8] = []
        try await eventually {
            text += read()
            return String(decoding: text, as: UTF8.self).hasSuffix("\(last)\n")
        }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    func rest() async throws -> [String] {
        String(decoding: read(), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    func end() async throws -> End {
        var status: Int32 = 0
        try await eventually { waitpid(pid, &status, WNOHANG) == pid }
        return status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .signaled(status & 0x7f)
    }

    private func read() -> [UInt8] {
        var all: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = Glibc.read(output, &bytes, bytes.count)
            if count <= 0 { return all }
            all += bytes.prefix(count)
        }
    }
}
