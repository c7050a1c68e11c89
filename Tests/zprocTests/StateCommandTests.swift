// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// Only a debug build lets tests see the inside of a program.
#if DEBUG
import Glibc
import Testing
import ZProc

@testable import zproc

/// The program as people and scripts run it: state, processes, keys.
@Suite(.timeLimit(.minutes(5))) struct StateCommandTests {
    private let place: Place

    init() throws { place = try Place() }

    private func json(_ text: String) throws -> JSON { try JSONReader.read(Array(text.utf8)) }

    /// Runs a command that is to work, on a hub, and gives what it prints.
    private func run(_ address: String, _ arguments: String..., input: String? = nil) async throws -> String {
        let run = try Run(arguments, in: place, input: input, environment: ["ZPROC_ADDRESS": address])
        let outcome = try await run.outcome()
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
        return outcome.output
    }

    @Test func valuesGoInAndComeOut() async throws {
        let hub = try await place.serve("--address", "ipc://\(place.file("hub"))"), address = try hub.address
        for (key, text) in [
            ("int", "9007199254740993"), ("negative", "-5"), ("double", "1.0"), ("text", #""a\u001bb""#),
            ("nested", #"{"a":[1,null,{"$binary":"AQID"}]}"#), ("-odd", "null"),
        ] {
            _ = try await run(address, "state", "set", "--", key, text)
            #expect(try await run(address, "state", "get", "--", key) == "\(text)\n")
        }
        _ = try await run(address, "state", "set", "negative", "-7")
        #expect(try await run(address, "state", "get", "negative") == "-7\n")
        _ = try await run(address, "state", "set", "plain", "as it is", "--string")
        _ = try await run(address, "state", "set", "input", "-", input: "[1,\n2]\n")
        #expect(try await run(address, "state", "get", "plain") == "\"as it is\"\n")
        #expect(try await run(address, "state", "get", "input") == "[1,2]\n")
        #expect(
            try await run(address, "state", "list") == "-odd\ndouble\ninput\nint\nnegative\nnested\nplain\ntext\n"
        )
        #expect(
            try json(try await run(address, "state", "list", "--namespaces", "--json")) == .array([.string("default")])
        )
        #expect(try await run(address, "state", "remove", "plain") == "\"as it is\"\n")
        for command in ["get", "remove"] {
            let missing = try await place.zproc("state", command, "plain", "--address", address)
            #expect(missing == .init(status: 1, output: "", errors: "zproc: there is no value for 'plain'\n"))
        }
    }

    @Test func thePastCanBeSeenAndBroughtBack() async throws {
        let hub = try await place.serve("--address", "ipc://\(place.file("hub"))", "--history-count", "3")
        let address = try hub.address
        for value in ["1", "2", "3"] { _ = try await run(address, "state", "set", "a", value) }
        let history = try await run(address, "state", "history", "a").split(separator: "\n").map { line in
            line.split(separator: "\t").map(String.init)
        }
        #expect(history.map { $0[0] } == ["1", "2", "3"])
        #expect(history.map { $0[3] } == ["1", "2", "3"])
        #expect(history.allSatisfy { TimeText.time(of: $0[1]) != nil })
        _ = try await run(address, "state", "restore", "2")
        let snapshot = try json(try await run(address, "state", "snapshot"))
        #expect(snapshot["revision"] == .number(4))
        #expect(snapshot["entries"]?.text() == #"{"a":2}"#)
        let past = try json(try await run(address, "state", "snapshot", "--at", "3"))
        #expect(past["entries"]?.text() == #"{"a":3}"#)
        for arguments in [["snapshot", "--at", "99"], ["restore", "99"], ["watch", "--from", "0"]] {
            let run = try Run(["state"] + arguments + ["--address", address], in: place)
            let outcome = try await run.outcome()
            #expect(outcome.status == 1, "\(arguments): \(outcome)")
            #expect(outcome.errors.hasPrefix("zproc: revision "))
        }
        let reset = try json(try await run(address, "state", "watch", "--from", "0", "--reset", "--count", "1"))
        #expect(reset["reset"] == .bool(true))
        #expect(reset["entries"]?.text() == #"{"a":2}"#)
    }

    @Test func aWatchPrintsEveryChange() async throws {
        let hub = try await place.serve("--address", "tcp://127.0.0.1:*"), address = try hub.address
        _ = try await run(address, "state", "set", "a", "1")
        let watch = try Run(["state", "watch", "--from", "beginning", "--address", address], in: place)
        let some = try Run(
            ["state", "watch", "b", "c", "--from", "0", "--count", "1", "--address", address],
            in: place
        )
        try await eventually { watch.lines.count == 1 }
        _ = try await run(address, "state", "set", "a", "2")
        try await eventually { watch.lines.count == 2 }
        _ = try await run(address, "state", "remove", "a")
        _ = try await run(address, "state", "set", "b", "null")
        try await eventually { watch.lines.count == 4 }
        let lines = try watch.lines.map { try json($0) }
        #expect(lines.map { $0["revision"] } == (1...4).map { .number($0) })
        #expect(
            lines.map { $0["keys"]?.text() } == [
                #"{"a":{"after":1}}"#, #"{"a":{"before":1,"after":2}}"#, #"{"a":{"before":2}}"#,
                #"{"b":{"after":null}}"#,
            ]
        )
        #expect(try await some.end() == 0)
        #expect(try some.lines.map { try json($0)["revision"] } == [.number(4)])
        // From the last revision seen: nothing missed, nothing twice.
        let rest = try await run(address, "state", "watch", "--from", "2", "--count", "2")
        #expect(rest.split(separator: "\n").map(String.init) == Array(watch.lines[2...]))
        // Its hub goes: it waits for the hub as long as it is told to.
        let impatient = try Run(
            ["state", "watch", "--from", "3", "--timeout", "0.5", "--address", address],
            in: place
        )
        try await eventually { impatient.lines.count == 1 }
        kill(hub.pid, SIGKILL)
        #expect(try await impatient.end() == 2)
    }

    @Test func aStateIsSavedAndBroughtBack() async throws {
        let hub = try await place.serve("--address", "ipc://\(place.file("hub"))"), address = try hub.address
        _ = try await run(address, "state", "set", "a", #"{"$timestamp":"2026-01-31T12:00:00Z"}"#)
        _ = try await run(address, "state", "set", "b", "1", "--namespace", "other")
        let file = place.file("saved")
        _ = try await run(address, "state", "export", file)
        var status = stat()
        #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(place.read("saved") == (try await run(address, "state", "export")))
        let one = try await run(address, "state", "export", "--namespace", "other")
        #expect(try StateDocument(json(one)).namespaces.map(\.name) == ["other"])

        _ = try await run(address, "state", "set", "a", "2")
        _ = try await run(address, "state", "set", "more", "3")
        #expect(try await run(address, "state", "import", file) == "default: 1 key\nother: 1 key\n")
        #expect(try await run(address, "state", "list") == "a\nmore\n")
        #expect(try await run(address, "state", "get", "a") == "{\"$timestamp\":\"2026-01-31T12:00:00Z\"}\n")
        let input = place.read("saved")
        #expect(
            try await run(address, "state", "import", "--replace", "--namespace", "default", input: input)
                == "default: 1 key\n"
        )
        #expect(try await run(address, "state", "list") == "a\n")
        for text in ["", "{}", input.replacing("\"zproc\": 1", with: "\"zproc\": 9")] {
            let outcome = try await place.zproc("state", "import", "--address", address, input: text)
            #expect(outcome.status == 1)
            #expect(outcome.errors.hasPrefix("zproc: the standard input: "))
        }
        let nowhere = try await place.zproc("state", "export", "/nowhere/saved", "--address", address)
        #expect(nowhere.status == 1)
    }

    // MARK: Keys

    @Test func keysSayWhoMayDoWhat() async throws {
        var secrets: [String] = [], outputs: [String] = []
        func run(_ status: Int32, _ arguments: [String], or other: Int32? = nil) async throws -> String {
            let outcome = try await Run(arguments, in: place).outcome()
            #expect(outcome.status == status || outcome.status == other, "\(arguments): \(outcome)")
            outputs += [outcome.output, outcome.errors]
            return outcome.output
        }
        func key(_ name: String, _ arguments: [String] = []) async throws -> String {
            let output = try await run(0, ["keys", "new"] + arguments + [place.file(name)])
            secrets.append(try KeyFile(path: place.file(name)).own.secretText)
            #expect(try await run(0, ["keys", "show", "--public", place.file(name)]) == output)
            return String(try #require(output.split(separator: "\n").first))
        }
        let hubKey = try await key("hub.keys")
        _ = try await run(1, ["keys", "new", place.file("hub.keys")])
        for role in Role.allCases {
            let client = try await key(role.rawValue, ["--hub", hubKey])
            _ = try await run(
                0,
                ["keys", "allow", place.file("hub.keys"), client, role.rawValue, "--name", "the \(role)"]
            )
        }
        _ = try await key("stranger", ["--hub", hubKey])
        _ = try await key("wrong", ["--hub", try await key("other.keys")])
        _ = try await key("lost")
        let shown = try json(try await run(0, ["keys", "show", "--json", place.file("hub.keys")]))
        #expect(shown["public"] == .string(hubKey))
        guard case .array(let allowed)? = shown["allowed"] else { throw TestFailure(reason: shown.text()) }
        #expect(allowed.map { $0["name"] } == Role.allCases.map { .string("the \($0)") })

        let hub = try await place.serve("--address", "tcp://127.0.0.1:*", "--keys", place.file("hub.keys"))
        let address = try hub.address
        func keys(_ name: String) -> [String] { ["--address", address, "--keys", place.file(name)] }
        _ = try await run(0, ["state", "set", "a", "1"] + keys("writer"))
        #expect(try await run(0, ["state", "get", "a"] + keys("reader")) == "1\n")
        _ = try await run(3, ["state", "set", "a", "2"] + keys("reader"))
        _ = try await run(3, ["stop", "1"] + keys("writer"))
        _ = try await run(1, ["stop", "1"] + keys("runner"))
        _ = try await run(0, ["ping", address, "--keys", place.file("reader")])
        _ = try await run(3, ["state", "get", "a"] + keys("stranger"))
        // To those who do not know its key a hub says nothing; libzmq calls that a refusal, or the end of a connection.
        _ = try await run(2, ["state", "get", "a"] + keys("wrong"), or: 3)
        _ = try await run(2, ["ping", address], or: 3)
        _ = try await run(1, ["state", "get", "a"] + keys("lost"))
        _ = try await run(1, ["state", "get", "a"] + keys("nothing"))
        chmod(place.file("reader"), 0o644)
        _ = try await run(1, ["state", "get", "a"] + keys("reader"))
        kill(hub.pid, SIGTERM)
        #expect(try await hub.end() == 0)
        for text in outputs + [hub.output, hub.errors] {
            for secret in secrets { #expect(!text.contains(secret)) }
        }
    }

    // MARK: Processes

    @Test func processesAndTasksAreListed() async throws {
        try await withContext(.processes) { hub in
            let sleeper = try await hub.spawn(name: "sleeper") { try await Task.sleep(for: .seconds(1_000)) }
            try await eventually { sleeper.pid != nil }
            let pid = try #require(sleeper.pid), result = try await hub.swarm(workers: 1).submit(6, 7) { $0 * $1 }
            _ = try await result.value
            let address = try hub.publish(at: "ipc://\(place.file("hub"))")
            let rows = try await run(address, "ps").split(separator: "\n").map { $0.split(separator: "\t") }
            #expect(rows.first?.prefix(2).map(String.init) == ["\(getpid())", "hub"])
            #expect(rows.contains { $0.count == 5 && $0[0] == "\(pid)" && $0[1] == "sleeper" && Int($0[3])! > 0 })
            guard case .array(let processes) = try json(try await run(address, "ps", "--json")) else {
                throw TestFailure(reason: "no array")
            }
            #expect(processes.contains { $0["pid"] == .number(pid) && $0["name"] == .string("sleeper") })
            let top = try await run(address, "top").split(separator: "\n")
            #expect(top.contains { $0.hasPrefix("\(address)  pid \(getpid())") })
            #expect(top.contains { $0.hasSuffix("  sleeper") })
            #expect(try await run(address, "tasks") == "\(result.id)\tdone\t\n")
            #expect(try json(try await run(address, "tasks", "--json")).text().contains(#""state":"done""#))
            #expect(try await run(address, "stop", "\(pid)") == "")
            let again = try await place.zproc("stop", "\(pid)", "--address", address)
            #expect(again.status == 1)
            #expect(kill(pid_t(pid), 0) != 0)
        }
    }

    @Test(arguments: ["q", nil]) func topGivesTheTerminalBack(of key: String?) async throws {
        let hub = try await place.serve("--address", "ipc://\(place.file("hub"))")
        let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK)
        defer { close(terminal) }
        // What `unlockpt` and `ptsname` do, which Swift does not see.
        var isLocked: Int32 = 0, number: Int32 = 0
        try #require(ioctl(terminal, 0x4004_5431, &isLocked) == 0 && ioctl(terminal, 0x8004_5430, &number) == 0)
        let other = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        try #require(other >= 0)
        defer { close(other) }
        var before = termios(), after = termios()
        tcgetattr(other, &before)
        let top = try Run(
            ["top", "--interval", "0.2", "--address", try hub.address],
            in: place,
            environment: ["NO_COLOR": "1"],
            terminal: other
        )
        var seen = ""
        func see(_ text: String) async throws {
            try await eventually {
                var bytes = [UInt8](repeating: 0, count: 4_096)
                let count = read(terminal, &bytes, bytes.count)
                if count > 0 { seen += String(decoding: bytes.prefix(count), as: UTF8.self) }
                return seen.contains(text)
            }
        }
        try await see("\u{1b}[?1049h")
        try await see("pid \(hub.pid)")
        if let key { write(terminal, key, 1) } else { kill(top.pid, SIGTERM) }
        try await see("\u{1b}[?1049l")
        #expect(try await top.end() == 0)
        tcgetattr(other, &after)
        #expect(after.c_lflag == before.c_lflag)
    }
}
#endif
