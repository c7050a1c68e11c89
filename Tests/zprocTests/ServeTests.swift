// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// Only a debug build lets tests see the inside of a program.
#if DEBUG
import Glibc
import Testing
import ZProc

@testable import zproc

/// The program as people and scripts run it: hubs and their ends.
@Suite(.timeLimit(.minutes(5))) struct ServeTests {
    private let place: Place

    init() throws { place = try Place() }

    private func json(_ text: String) throws -> JSON { try JSONReader.read(Array(text.utf8)) }

    @Test(arguments: [SIGTERM, SIGINT]) func aHubAnswersAndEndsInOrder(of signal: Int32) async throws {
        let hub = try await place.serve("--address", "tcp://127.0.0.1:*", "--address", "ipc://\(place.file("hub"))")
        #expect(hub.lines.count == 2)
        #expect(hub.lines.last == "listening at ipc://\(place.file("hub"))")
        for line in hub.lines {
            let address = String(try #require(line.split(separator: " ").last))
            let people = try await place.zproc("ping", address)
            #expect(people.status == 0)
            #expect(people.output.hasPrefix("\(address): pid \(hub.pid), version \(zprocVersion), build "))
            let scripts = try json(
                try await place.zproc("ping", "--json", environment: ["ZPROC_ADDRESS": address]).output
            )
            #expect(scripts["pid"] == .number(hub.pid))
            #expect(scripts["version"] == .string(zprocVersion))
            #expect(scripts["roundTrip"] != nil)
        }
        kill(hub.pid, signal)
        #expect(try await hub.end() == 0)
        #expect(hub.errors == "")
        let gone = try await place.zproc("ping", "ipc://\(place.file("hub"))", "--timeout", "0.5")
        #expect(gone.status == 2)
        #expect(gone.output == "")
        #expect(gone.errors.hasPrefix("zproc: ") && gone.errors.count { $0 == "\n" } == 1)
    }

    @Test func aHubThatIsStoppedDoesNotAnswer() async throws {
        let hub = try await place.serve("--address", "ipc://\(place.file("hub"))")
        kill(hub.pid, SIGSTOP)
        let silent = try await place.zproc("ping", try hub.address, "--timeout", "0.3")
        kill(hub.pid, SIGCONT)
        #expect(silent.status == 2)
        #expect(try await place.zproc("ping", try hub.address).status == 0)
    }

    @Test func aHubThatIsKilledKeepsItsData() async throws {
        let address = "ipc://\(place.file("hub"))", data = place.file("state")
        func serve() async throws -> Run {
            try await place.serve("--address", address, "--data", data, "--sync", "0.5", "--history-count", "100")
        }
        let first = try await serve()
        #expect(try await place.zproc("state", "set", "a", "1", "--address", address).status == 0)
        #expect(
            try await place.zproc("state", "set", "b", "[2]", "--namespace", "other", "--address", address).status == 0
        )
        kill(first.pid, SIGKILL)
        #expect(try await first.end() == 128 + SIGKILL)
        let second = try await serve()
        #expect(try await place.zproc("state", "get", "a", "--address", address).output == "1\n")
        #expect(
            try await place.zproc("state", "list", "--namespaces", "--address", address).output == "default\nother\n"
        )
        let busy = try await place.zproc("serve", "--address", "ipc://\(place.file("hub2"))", "--data", data)
        #expect(busy.status == 1)
        #expect(busy.errors.hasPrefix("zproc: ") && busy.errors.contains(data))
        kill(second.pid, SIGTERM)
        #expect(try await second.end() == 0)
        let third = try await serve()
        #expect(
            try await place.zproc("state", "get", "b", "--namespace", "other", "--address", address).output == "[2]\n"
        )
        _ = third
    }

    @Test func anAddressInUseNamesItsProcess() async throws {
        let hub = try await place.serve("--address", "ipc://\(place.file("hub"))")
        let second = try await place.zproc("serve", "--address", try hub.address)
        #expect(second.status == 1)
        #expect(second.output == "")
        #expect(second.errors.contains("process \(hub.pid)"))
        #expect(try await place.zproc("ping", try hub.address).status == 0)
    }

    @Test func nothingIsOpenToOthersUnlessSaidInSoManyWords() async throws {
        let refused = try await place.zproc("serve", "--address", "tcp://0.0.0.0:*")
        #expect(refused.status == 64)
        #expect(refused.errors.contains("--keys") && refused.errors.contains("--insecure"))
        let open = try await place.serve("--address", "tcp://0.0.0.0:*", "--insecure")
        kill(open.pid, SIGTERM)
        #expect(try await open.end() == 0)
    }

    @Test func systemdIsToldHowFarItIs() async throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: place.file("notify").utf8) }
        let isBound = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(isBound == 0)
        func told() async throws -> String {
            var bytes = [UInt8](repeating: 0, count: 100), count = 0
            try await eventually {
                count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
                return count > 0
            }
            return String(decoding: bytes.prefix(count), as: UTF8.self)
        }
        let hub = try await place.serve(
            "--address",
            "ipc://\(place.file("hub"))",
            environment: ["NOTIFY_SOCKET": place.file("notify")]
        )
        #expect(try await told() == "READY=1")
        kill(hub.pid, SIGTERM)
        #expect(try await told() == "STOPPING=1")
        #expect(try await hub.end() == 0)
    }

    @Test(arguments: [
        ["serve"], ["serve", "--address", "nonsense"], ["serve", "--address", "ipc:///tmp/x", "--sync", "often"],
        ["serve", "--address", "ipc:///tmp/x", "--sync", "1"],
        ["serve", "--address", "ipc:///tmp/x", "--max-clients", "0"],
        ["serve", "--address", "ipc:///tmp/x", "--log-level", "loud"], ["ping"], ["ping", "nonsense"],
        ["ping", "ipc:///tmp/x", "--timeout", "0"], ["state", "get"], ["state", "get", "a"], ["state", "set", "a"],
        ["state", "set", "a", "{", "--address", "ipc:///tmp/x"], ["state", "watch", "--from", "then"],
        ["state", "watch", "--count", "0"], ["state", "restore", "x"], ["stop", "x"], ["top", "--interval", "0"],
        ["keys", "new"], ["keys", "new", "--hub", "short", "file"], ["keys", "allow", "file", "short", "writer"],
        ["serve", "--address", "tcp://127.0.0.1:*", "--metrics", "everywhere"], ["nothing"], ["--nothing"],
    ])
    func aWrongCommandLineHasAStatusOfItsOwn(_ arguments: [String]) async throws {
        let outcome = try await Run(arguments, in: place).outcome()
        #expect(outcome.status == 64, "\(outcome)")
        #expect(outcome.output == "")
        #expect(!outcome.errors.isEmpty)
    }

    @Test func helpSaysWhatTheStatusMeans() async throws {
        let help = try await place.zproc("--help")
        #expect(help.status == 0)
        for status in ["0 ", "1 ", "2 ", "3 ", "64 "] { #expect(help.output.contains("\n  \(status)")) }
        #expect(try await place.zproc("--version").output == "\(zprocVersion)\n")
        for shell in ["bash", "zsh", "fish"] {
            #expect(try await place.zproc("--generate-completion-script", shell).output.contains("snapshot"))
        }
    }

    @Test func doctorLooksAtThisMachine() async throws {
        let outcome = try await place.zproc("doctor", "--json")
        guard case .array(let findings) = try json(outcome.output) else {
            throw TestFailure(reason: "no array: \(outcome)")
        }
        let subjects = findings.compactMap { $0["subject"] }
        for trial in ["encryption (libzmq with CURVE)", "shared state (LMDB)", "a hub and its client"] {
            let finding = try #require(findings.first { $0["subject"] == .string(trial) })
            #expect(finding["verdict"] == .string("good"), "\(finding.text())")
        }
        #expect(subjects.contains(.string("open files")) && subjects.contains(.string("/dev/shm")))
        #expect(outcome.status == (findings.contains { $0["verdict"] == .string("problem") } ? 1 : 0))
        let people = try await place.zproc("doctor")
        #expect(people.output.contains("ok       a hub and its client: answers in "))
    }

    // MARK: Logs

    /// Quiet, unless it is told to tell; then facts have the keys that are written down.
    @Test func aHubTellsWhoComesAndGoesWhenItIsToldTo() async throws {
        let quiet = try await place.serve("--address", "tcp://127.0.0.1:*")
        let telling = try await place.serve("--address", "tcp://127.0.0.1:*", "--log-level", "debug")
        for hub in [quiet, telling] {
            let ping = try Run(["ping", try hub.address], in: place)
            #expect(try await ping.end() == 0)
            if hub.pid == quiet.pid { continue }
            try await eventually {
                let lines = hub.errors.split(separator: "\n").filter { $0.contains("zproc.hub") }
                return lines.contains { $0.contains("process=\(ping.pid)") && $0.contains("a client has come") }
                    && lines.contains { $0.contains("process=\(ping.pid)") && $0.contains("a client has gone") }
            }
        }
        #expect(telling.errors.contains("build="))
        #expect(quiet.errors == "")
    }

    // MARK: Metrics

    /// What a server of HTTP answers.
    private func fetch(_ path: String, from port: Int) throws -> String {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0)
        let request = "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        #expect(write(descriptor, request, request.utf8.count) == request.utf8.count)
        var answer: [UInt8] = [], bytes = [UInt8](repeating: 0, count: 4_096)
        while case let count = read(descriptor, &bytes, bytes.count), count > 0 { answer += bytes.prefix(count) }
        return String(decoding: answer, as: UTF8.self)
    }

    @Test func prometheusFindsMetrics() async throws {
        let hub = try await place.serve("--address", "tcp://127.0.0.1:*", "--metrics", "127.0.0.1:0")
        // The two lines come in any order.
        try await eventually { hub.lines.count == 2 }
        let address = try #require(hub.lines.first { $0.hasPrefix("listening at ") }?.split(separator: " ").last)
        let page = try #require(hub.lines.first { $0.hasPrefix("metrics at http://127.0.0.1:") })
        let port = try #require(Int(page.split(separator: ":").last?.split(separator: "/").first ?? ""))
        let environment = ["ZPROC_ADDRESS": String(address)]
        #expect(try await place.zproc("state", "set", "a", "1", environment: environment).status == 0)
        #expect(
            try await place.zproc("state", "set", "b", "1", "--namespace", "o\"ne", environment: environment).status
                == 0
        )
        let answer = try fetch("/metrics", from: port).replacing("\r\n", with: "\n")
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\n"))
        #expect(answer.contains("text/plain; version=0.0.4"))
        for line in [
            "# TYPE zproc_calls_total counter", "zproc_calls_total{method=\"state.set\",outcome=\"ok\"} 2",
            "# TYPE zproc_call_seconds histogram", "zproc_call_seconds_bucket{method=\"state.set\",le=\"+Inf\"} 2",
            "zproc_call_seconds_count{method=\"state.set\"} 2", "zproc_namespaces 2",
            "zproc_revision{namespace=\"default\"} 1", "zproc_revision{namespace=\"o\\\"ne\"} 1", "zproc_watches 0",
        ] {
            #expect(answer.contains("\n\(line)\n"), "\(line) in \(answer)")
        }
        #expect(try fetch("/else", from: port).hasPrefix("HTTP/1.1 404 "))
        kill(hub.pid, SIGTERM)
        #expect(try await hub.end() == 0)
        #expect(hub.errors == "")
    }

    @Test func aHubWhoseMetricsCannotBeServedDoesNotStart() async throws {
        let first = try await place.serve("--address", "tcp://127.0.0.1:*", "--metrics", "127.0.0.1:0")
        try await eventually { first.lines.count == 2 }
        let page = try #require(first.lines.first { $0.hasPrefix("metrics") })
        let taken = page.dropFirst("metrics at http://".count).dropLast("/metrics".count)
        let second = try await place.zproc("serve", "--address", "tcp://127.0.0.1:*", "--metrics", String(taken))
        #expect(second.status == 1)
        #expect(
            second.errors.contains("the metrics cannot be served at http://\(taken)/metrics: Address already in use")
        )
        kill(first.pid, SIGTERM)
        #expect(try await first.end() == 0)
    }
}
#endif
