// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// Signals to a program that has a context: everything stops in order, and whoever started it sees the signal.
@Suite(.tags(.process, .fault), .timeLimit(.minutes(5))) struct InterruptionTests {
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP], Backend.allCases)
    func aSignalStopsTheTreeInOrder(_ number: Int32, _ backend: Backend) async throws {
        let program = try Program([backend.rawValue])
        let before = try await program.linesUntilReady()
        kill(program.pid, number)
        #expect(try await program.end() == .signaled(number))
        let after = try await program.rest()
        #expect(after.contains("the scope tidies up"))
        #expect(after.filter { $0 == "inner tidies up" }.count == 2)
        try await nothingIsLeft(of: before)
    }

    /// As a terminal does it: everybody in the group gets the signal.
    @Test func aSignalToTheWholeGroupStopsTheTreeInOrder() async throws {
        let program = try Program(["processes"])
        let before = try await program.linesUntilReady()
        kill(-program.pid, SIGINT)
        #expect(try await program.end() == .signaled(SIGINT))
        #expect(try await program.rest().filter { $0 == "inner tidies up" }.count == 2)
        try await nothingIsLeft(of: before)
    }

    @Test func deafBodiesAreStoppedToo() async throws {
        let program = try Program(["processes", "deaf"])
        let before = try await program.linesUntilReady()
        kill(program.pid, SIGTERM)
        #expect(try await program.end() == .signaled(SIGTERM))
        try await nothingIsLeft(of: before)
    }

    @Test(arguments: Backend.allCases)
    func aScopeWithinAScopeEndsWithIt(_ backend: Backend) async throws {
        let program = try Program([backend.rawValue, "nested"])
        let before = try await program.linesUntilReady()
        kill(program.pid, SIGTERM)
        #expect(try await program.end() == .signaled(SIGTERM))
        #expect(try await program.rest().filter { $0 == "inner tidies up" }.count == 3)
        try await nothingIsLeft(of: before)
    }

    @Test func aSecondSignalEndsAtOnce() async throws {
        let program = try Program(["processes", "deaf"])
        let before = try await program.linesUntilReady()
        kill(program.pid, SIGTERM)
        kill(program.pid, SIGINT)
        kill(program.pid, SIGINT)
        guard case .signaled = try await program.end() else {
            Issue.record("it ended by itself")
            return
        }
        try await nothingIsLeft(of: before, andNoFiles: false)
    }

    private func nothingIsLeft(of lines: [String], andNoFiles: Bool = true) async throws {
        let pids = lines.filter { $0.hasPrefix("pid ") }.flatMap { $0.dropFirst(4).split(separator: " ") }
            .compactMap { Int($0) }
        #expect(pids.count == 4)
        for pid in pids { try await eventually(within: .seconds(1)) { !isAlive(pid) } }
        guard andNoFiles, let address = lines.first(where: { $0.hasPrefix("address ipc://") }) else { return }
        #expect(access(String(address.dropFirst("address ipc://".count)), F_OK) != 0)
    }
}

/// A run of `InterruptedProgram`, in a process group of its own.
private final class Program: Sendable {
    enum End: Equatable { case exited(Int32), signaled(Int32) }

    let pid: pid_t
    private let output: Int32

    init(_ arguments: [String]) throws {
        let own = CommandLine.arguments[0]
        let path = own[..<(own.lastIndex(of: "/") ?? own.startIndex)] + "/InterruptedProgram"
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t(), attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var words: [UnsafeMutablePointer<CChar>?] = ([String(path)] + arguments).map { strdup($0) } + [nil]
        var pid: pid_t = 0
        let error = posix_spawn(&pid, String(path), &actions, &attributes, &words, environ)
        for word in words { free(word) }
        posix_spawn_file_actions_destroy(&actions)
        posix_spawnattr_destroy(&attributes)
        close(ends[1])
        output = ends[0]
        try #require(error == 0, "\(path): \(String(cString: strerror(error)))")
        self.pid = pid
        _ = fcntl(output, F_SETFL, O_NONBLOCK)
    }

    deinit { close(output) }

    func linesUntilReady() async throws -> [String] {
        var text: [UInt8] = []
        try await eventually {
            text += read()
            return String(decoding: text, as: UTF8.self).hasSuffix("ready\n")
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
