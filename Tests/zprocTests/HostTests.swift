// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// Only a debug build lets tests see the inside of a program.
#if DEBUG
import Glibc
import Testing
import ZProc

@testable import zproc

/// Two hosts with a cable between them, which are network namespaces of this machine and reach nothing else.
final class Hosts: Sendable {
    let hub: String
    let client: String
    let hubAddress = "10.213.7.1"
    private let cable: String

    /// Whether this process may make some.
    static let areAvailable: Bool = {
        guard geteuid() == 0, access(Run.hostTool, X_OK) == 0, run("netns", "add", "zproc-try-\(getpid())") else {
            return false
        }
        defer { _ = run("netns", "del", "zproc-try-\(getpid())") }
        return run("-n", "zproc-try-\(getpid())", "link", "add", "z0", "type", "veth", "peer", "name", "z1")
    }()

    init() throws {
        let number = "\(getpid())"
        (hub, client, cable) = ("zproc-hub-\(number)", "zproc-client-\(number)", "z\(number)")
        for host in [hub, client] {
            try #require(Self.run("netns", "add", host))
            try #require(Self.run("-n", host, "link", "set", "lo", "up"))
        }
        let card = "02:00:00:00:00:01"
        try #require(
            Self.run(
                [
                    "-n", hub, "link", "add", cable, "address", card, "type", "veth", "peer", "name", cable, "netns",
                    client,
                ]
            )
        )
        for (host, address) in [(hub, hubAddress), (client, "10.213.7.2")] {
            try #require(Self.run("-n", host, "address", "add", "\(address)/24", "dev", cable))
            try #require(Self.run("-n", host, "link", "set", cable, "up"))
        }
        // Without a cable, packets are lost, as on a longer way. A host beside it would be asked for its card in vain, and
        // after three seconds there would be "no route" to it.
        let neighbour = ["neighbour", "replace", hubAddress, "lladdr", card, "dev", cable, "nud", "permanent"]
        try #require(Self.run(["-n", client] + neighbour))
    }

    deinit { for host in [hub, client] { _ = Self.run("netns", "del", host) } }

    /// Pulls the cable out, or puts it in again.
    func set(isConnected: Bool) -> Bool { Self.run("-n", hub, "link", "set", cable, isConnected ? "up" : "down") }

    private static func run(_ arguments: String...) -> Bool { run(arguments) }

    private static func run(_ arguments: [String]) -> Bool {
        var words: [UnsafeMutablePointer<CChar>?] = ([Run.hostTool] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0, status: Int32 = 0
        guard posix_spawn(&pid, Run.hostTool, nil, nil, &words, environ) == 0 else { return false }
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        return status == 0
    }
}

/// A hub and its clients on hosts of their own.
@Suite(
    .serialized,
    .timeLimit(.minutes(5)),
    .enabled(if: Hosts.areAvailable, "network namespaces want root, and Debian's iproute2")
) struct HostTests {
    private let place: Place
    private let hosts: Hosts

    init() throws {
        place = try Place()
        hosts = try Hosts()
    }

    /// Runs the program on the client's host, to its end.
    private func run(_ arguments: String...) async throws -> Run.Outcome {
        try await Run(arguments, in: place, host: hosts.client).outcome()
    }

    private func makeKeys() async throws {
        let hubKey = try await place.zproc("keys", "new", place.file("hub.keys")).output.dropLast()
        let key = try await place.zproc("keys", "new", "--hub", String(hubKey), place.file("ann.keys")).output
            .dropLast()
        #expect(try await place.zproc("keys", "allow", place.file("hub.keys"), String(key), "writer").status == 0)
    }

    @Test func aHubOfAnotherHostIsReachedWithKeysAndAcrossCutCables() async throws {
        try await makeKeys()
        let address = "tcp://\(hosts.hubAddress):5555", keys = place.file("ann.keys")
        let hub = try Run(
            ["serve", "--address", address, "--keys", place.file("hub.keys")],
            in: place,
            host: hosts.hub
        )
        try await eventually { hub.lines == ["listening at \(address)"] }
        let patient = ["--address", address, "--keys", keys, "--timeout", "120"]
        let watch = try Run(["state", "watch", "--from", "beginning"] + patient, in: place, host: hosts.client)
        #expect(try await run("state", "set", "a", "1", "--address", address, "--keys", keys).status == 0)
        try await eventually { watch.lines.count == 1 }

        #expect(hosts.set(isConnected: false))
        let waiting = try Run(["state", "set", "a", "2"] + patient, in: place, host: hosts.client)
        let late = try await run("ping", address, "--keys", keys, "--timeout", "5")
        #expect(late.status == 2, "\(late)")
        #expect(try !waiting.hasEnded())
        #expect(hosts.set(isConnected: true))
        #expect(try await waiting.end() == 0, "\(waiting.errors)")
        #expect(try await run("state", "set", "a", "3", "--address", address, "--keys", keys).status == 0)
        try await eventually { watch.lines.count == 3 }
        let revisions = try watch.lines.map { try JSONReader.read(Array($0.utf8))["revision"] }
        #expect(revisions == (1...3).map { .number($0) })
        kill(hub.pid, SIGTERM)
        #expect(try await hub.end() == 0)
    }

    @Test func withoutKeysNobodyOfAnotherHostGetsIn() async throws {
        try await makeKeys()
        let address = "tcp://\(hosts.hubAddress):5556"
        let refused = try await Run(["serve", "--address", address], in: place, host: hosts.hub).outcome()
        #expect(refused.status == 64, "\(refused)")
        #expect(refused.errors.contains("--insecure"))
        let hub = try Run(
            ["serve", "--address", address, "--keys", place.file("hub.keys")],
            in: place,
            host: hosts.hub
        )
        try await eventually { !hub.lines.isEmpty }
        let stranger = try await run("state", "get", "a", "--address", address, "--timeout", "1")
        #expect(stranger.status == 2 || stranger.status == 3, "\(stranger)")
        #expect(stranger.output == "")
        kill(hub.pid, SIGTERM)
        #expect(try await hub.end() == 0)
    }
}
#endif
