// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// Signals to a program that has a context: everything stops in order, and whoever started it sees the signal.
@Suite(.tags(.process, .fault), .timeLimit(.minutes(5))) struct InterruptionTests {
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP], Backend.allCases)
    func aSignalStopsTheTreeInOrder(_ number: Int32, _ backend: Backend) async throws {
        let program = try Program("InterruptedProgram", [backend.rawValue])
        let before = try await program.linesUntilReady()
        kill(program.pid, number)
        #expect(try await program.end() == .signaled(number))
        let after = try await program.rest()
        #expect(after.contains("the scope tidies up"))
        #expect(after.filter { $0 == "inner tidies up" }.count == 2)
        try await nothingIsLeft(of: before)
    }

    /// As a terminal does it: everybody in the group gets the signal.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func aSignalToTheWholeGroupStopsTheTreeInOrder(_ number: Int32) async throws {
        let program = try Program("InterruptedProgram", ["processes"])
        let before = try await program.linesUntilReady()
        kill(-program.pid, number)
        #expect(try await program.end() == .signaled(number))
        #expect(try await program.rest().filter { $0 == "inner tidies up" }.count == 2)
        try await nothingIsLeft(of: before)
    }

    /// As the command `timeout` does it: the program gets the signal, and then the group.
    @Test func aSignalThatComesTwiceAtOnceIsOne() async throws {
        let program = try Program("InterruptedProgram", ["processes"])
        let before = try await program.linesUntilReady()
        for pid in [program.pid, -program.pid] { kill(pid, SIGTERM) }
        #expect(try await program.end() == .signaled(SIGTERM))
        let after = try await program.rest()
        #expect(after.contains("the scope tidies up"))
        #expect(after.filter { $0 == "inner tidies up" }.count == 2)
        try await nothingIsLeft(of: before)
    }

    /// What a signal has cancelled is not started again by a supervisor that the signal has come to as well.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func aSupervisorInAProcessRestartsNothingThatASignalEnds(_ number: Int32) async throws {
        let program = try Program("InterruptedProgram", ["processes", "supervised"])
        _ = try await program.linesUntilReady()
        kill(-program.pid, number)
        #expect(try await program.end() == .signaled(number))
        let after = try await program.rest()
        #expect(after.filter { $0.hasPrefix("starts: ") } == ["starts: 1"])
    }

    /// Such a handler is the user's code.
    @Test(arguments: Backend.allCases)
    func aSecondSignalEndsAProgramWhoseCancellationHandlerBlocks(_ backend: Backend) async throws {
        let program = try Program("InterruptedProgram", [backend.rawValue, "blocking"])
        _ = try await program.linesUntilReady()
        kill(program.pid, SIGTERM)
        _ = try await program.lines(until: "the handler blocks")
        kill(program.pid, SIGINT)
        #expect(try await program.end() == .signaled(SIGINT))
    }

    @Test(arguments: Backend.allCases)
    func aProgramWhosePoolIsBusyEndsAfterItsPatience(_ backend: Backend) async throws {
        let program = try Program("InterruptedProgram", [backend.rawValue, "stuck"])
        let before = try await program.linesUntilReady()
        kill(program.pid, SIGTERM)
        #expect(try await program.end() == .signaled(SIGTERM))
        try await nothingIsLeft(of: before, andNoFiles: false)
    }

    @Test func deafBodiesAreStoppedToo() async throws {
        let program = try Program("InterruptedProgram", ["processes", "deaf"])
        let before = try await program.linesUntilReady()
        kill(program.pid, SIGTERM)
        #expect(try await program.end() == .signaled(SIGTERM))
        try await nothingIsLeft(of: before)
    }

    @Test(arguments: Backend.allCases)
    func aScopeWithinAScopeEndsWithIt(_ backend: Backend) async throws {
        let program = try Program("InterruptedProgram", [backend.rawValue, "nested"])
        let before = try await program.linesUntilReady()
        kill(program.pid, SIGTERM)
        #expect(try await program.end() == .signaled(SIGTERM))
        #expect(try await program.rest().filter { $0 == "inner tidies up" }.count == 3)
        try await nothingIsLeft(of: before)
    }

    @Test func aSecondSignalEndsAtOnce() async throws {
        let program = try Program("InterruptedProgram", ["processes", "deaf"])
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
