// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Testing
import ZProc
import ZProcCore

/// A program in another language shares the state and runs tasks: `Docs/Examples/python-client`.
@Suite(
    .tags(.state, .process),
    .enabled(if: Python.isReady, "python3 with pyzmq and msgpack is not there: python3 -m pip install pyzmq msgpack"),
    .timeLimit(.minutes(5))
)
struct PythonClientTests {
    enum Way: CaseIterable { case tcp, keys, ipc }

    @Test(arguments: Way.allCases)
    func aPythonProgramIsAFullClient(_ way: Way) async throws {
        try await withTemporaryDirectory { directory in
            try await withContext(.threads) { hub in try await meet(at: hub, way, directory) }
        }
    }

    private func meet(at hub: Context, _ way: Way, _ directory: String) async throws {
        var arguments: [String] = [], options = HubOptions()
        if way == .keys {
            let own = try KeyPair.generate(), client = try KeyPair.generate()
            options.keys = HubKeys(own: own, allowed: [client.publicKey: .writer])
            try KeyFile(own: client, hub: own.publicKey).write(to: "\(directory)/keys")
            arguments = ["\(directory)/keys"]
        }
        let place = way == .ipc ? "ipc://\(directory)/hub" : "tcp://127.0.0.1:*"
        let address = try hub.publish(at: place, options)
        try registerTasks(hub)
        let meeting = hub.state(namespace: "meeting"), state = hub.state(namespace: "python")
        let answering = Task { try await answer(meeting) }
        defer { answering.cancel() }
        let python = try Program("/usr/bin/env", Python.check(address, arguments), takesErrors: true)
        let end = try await python.end(), lines = try await python.rest()
        let output = lines.joined(separator: "\n")
        #expect(end == .exited(0), Comment(rawValue: output))
        #expect(lines.count > 30)
        // What Python wrote is seen here.
        #expect(try await state.get("once", as: Int.self) == 2)
        #expect(try await state.get("log", as: [String].self) == ["a", "b", "c"])
        #expect(try await state.get("large", as: UInt64.self) == .max)
        #expect(try await state.get("bytes", as: [UInt8].self) == [0, 255])
        #expect(try await meeting.get("from python", as: [String: [Int]].self) == ["numbers": [1, 2, 3]])
    }

    private func registerTasks(_ hub: Context) throws {
        let meeting = hub.state(namespace: "meeting")
        try hub.register(task: "double") { (number: Int) async throws -> Int in number * 2 }
        try hub.register(task: "greet") { (name: String, count: Int) async throws -> String in
            Array(repeating: name, count: count).joined(separator: " ")
        }
        try hub.register(task: "fail") { () async throws -> Int in throw TestFailure(reason: "no paper") }
        try hub.register(task: "wait") { () async throws -> Void in
            do {
                try await Task.sleep(for: .seconds(1_000))
            } catch {
                // Its own task is cancelled.
                Task { try await meeting.set("wait was cancelled", to: true) }
                throw error
            }
        }
    }

    /// Answers Python's questions, one after the other.
    private func answer(_ meeting: SharedState) async throws {
        var answered = 0
        for try await change in meeting.changes(of: "questions", from: .beginning) {
            let questions = try change.after.get("questions", default: [Int]())
            for question in questions[answered...] { try await meeting.set("answer", to: question * question) }
            answered = questions.count
        }
    }
}

enum Python {
    static let isReady = system("python3 -c 'import zmq, msgpack' >/dev/null 2>&1") == 0

    static func check(_ address: String, _ arguments: [String]) -> [String] {
        let script = URL(filePath: #filePath).appending(path: "../../../Docs/Examples/python-client/check.py")
        return ["python3", "-B", script.standardized.path, address] + arguments + ["--meet"]
    }
}
