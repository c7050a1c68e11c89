// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import Metrics
import ServiceLifecycle
import UnixSignals
import ZProc

/// Runs a hub.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a hub in the foreground, until SIGTERM or SIGINT ends it in order.",
        discussion: """
            Prints 'listening at ADDRESS' for each address when clients can connect, with the port chosen for '*', and \
            tells systemd the same (Type=notify). 'zproc ping ADDRESS' is the probe for health and readiness. Ends with \
            status 0 after a signal.
            """
    )

    @Option(
        help: ArgumentHelp(
            "Where to listen, such as tcp://127.0.0.1:5555, tcp://127.0.0.1:* or ipc:///run/zproc/hub.",
            discussion: "May be given several times."
        )
    )
    var address: [String]
    @Option(
        help: "The file that keeps the state, made when it is not there. Without it the state ends with the hub.",
        completion: .file()
    )
    var data: String?
    @Option(
        help: ArgumentHelp(
            "When the file is written to the disk: 'each' update, every so many seconds, or 'none'.",
            discussion: "A hub that is killed loses nothing, whatever is chosen; this is about the machine's end.",
            valueName: "each|SECONDS|none"
        ),
        transform: { try StateSync(option: $0) }
    )
    var sync: StateSync = .eachCommit
    @Option(
        help: ArgumentHelp(
            "The hub's file of keys: its own, and a line for each client that it lets in.",
            discussion: "See 'zproc keys'. It is read once, at the start."
        ),
        completion: .file()
    )
    var keys: String?
    @Flag(
        help: """
            Listen without keys where other machines can connect. Everybody on that network can then change the state \
            and run code as this user.
            """
    )
    var insecure = false
    @Option(
        help: ArgumentHelp(
            "Where Prometheus fetches metrics, such as 127.0.0.1:9464; prints 'metrics at URL'.",
            discussion: """
                Whoever can connect there sees numbers, and names of namespaces and methods, but nothing that the state holds.
                """,
            valueName: "HOST:PORT"
        ),
        transform: { text in
            guard let address = MetricsAddress(text) else {
                throw ValidationError("--metrics wants an address of four numbers and a port, such as 127.0.0.1:9464")
            }
            return address
        }
    )
    var metrics: MetricsAddress?
    @OptionGroup(title: "LIMITS") var limits: LimitOptions
    @Option(
        help: "Which messages are logged to the standard error: \(Logger.Level.names).",
        transform: { try Logger.Level(option: $0) }
    )
    var logLevel: Logger.Level = .warning

    func validate() throws {
        guard data != nil || sync == .eachCommit else { throw ValidationError("--sync is for a state with --data") }
        try address.forEach { address in
            do throws(TransportError) { _ = try Endpoint(address) } catch { throw ValidationError(error.message) }
        }
    }

    func run() async throws {
        let level = logLevel
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        let collected = metrics.map { _ in PrometheusMetrics() }
        // Before there is a hub: what it tells goes to whoever collects when it is made.
        if let collected { MetricsSystem.bootstrap(collected) }
        let hub = try HubRun(
            addresses: address,
            state: StateOptions(
                persistence: data.map { .file($0, sync: sync) } ?? .none,
                history: limits.history
            ),
            options: try hubOptions()
        )
        var services: [any Service] = [hub]
        if let metrics, let collected {
            let server = MetricsServer(address: metrics) {
                hub.context.recordMetrics()
                return collected.text()
            } onListening: {
                try? Output.put("metrics at \($0)\n")
            }
            services.append(server)
        }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map { service in
                    .init(
                        service: service,
                        successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .cancelGroup
                    )
                },
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Logger(label: "zproc.serve")
            )
        )
        try await group.run()
    }

    private func hubOptions() throws -> HubOptions {
        var options = HubOptions(keys: try keys.map { try KeyFile(path: $0).hubKeys })
        options.isInsecure = insecure
        options.limits = limits.hub
        return options
    }
}

/// What clients may take of the hub, and how much of the past it keeps.
struct LimitOptions: ParsableArguments {
    @Option(help: "How many clients may be connected.") var maxClients = HubLimits().peers
    @Option(help: "How many calls of a client may be under way, its watches included.")
    var maxCalls = HubLimits().callsInFlight
    @Option(help: "How many requests a client may make in a second. (default: any number)")
    var maxRequestsPerSecond: Int?
    @Option(help: "How many bytes a message of a client may have.") var maxMessageBytes = HubLimits().messageByteCount
    @Option(help: "How many requests of a client are taken in before they are looked at; more slow the client down.")
    var maxBacklog = HubLimits().requestBacklog
    @Option(help: "How many answers may wait for a client that does not take them.")
    var maxUnread = HubLimits().unreadMessages
    @Option(help: "How many namespaces there may be before clients may make no more.")
    var maxNamespaces = HubLimits().namespaces
    @Option(help: "How many changes of each namespace are kept.") var historyCount = HistoryLimits().count
    @Option(help: "How many bytes kept changes of a namespace may take.")
    var historyBytes = HistoryLimits().byteCount ?? 0
    @Option(help: "How many seconds changes are kept. (default: as long as the other limits allow)")
    var historySeconds: Double?

    func validate() throws {
        let numbers = [
            ("--max-clients", maxClients), ("--max-calls", maxCalls),
            ("--max-requests-per-second", maxRequestsPerSecond ?? 1), ("--max-message-bytes", maxMessageBytes),
            ("--max-backlog", maxBacklog), ("--max-unread", maxUnread), ("--max-namespaces", maxNamespaces),
            ("--history-count", historyCount),
        ]
        for (name, number) in numbers where number < 1 { throw ValidationError("\(name) is 1 or more") }
        guard historyBytes >= 0 else { throw ValidationError("--history-bytes is 0 or more") }
        guard historySeconds.map({ $0 >= 0 && $0 <= 1e9 }) ?? true else {
            throw ValidationError("--history-seconds is from 0 to 1000000000")
        }
    }

    var hub: HubLimits {
        var limits = HubLimits()
        limits.peers = maxClients
        limits.callsInFlight = maxCalls
        limits.requestsPerSecond = maxRequestsPerSecond
        limits.messageByteCount = maxMessageBytes
        limits.requestBacklog = maxBacklog
        limits.unreadMessages = maxUnread
        limits.namespaces = maxNamespaces
        return limits
    }

    var history: HistoryLimits {
        HistoryLimits(count: historyCount, age: historySeconds.map { .seconds($0) }, byteCount: historyBytes)
    }
}

extension StateSync {
    init(option: String) throws {
        switch option {
        case "each": self = .eachCommit
        case "none": self = .none
        default:
            guard let seconds = Double(option), seconds > 0, seconds <= 86_400 else {
                throw ValidationError("--sync is 'each', 'none', or how many seconds lie between two syncs")
            }
            self = .periodic(.seconds(seconds))
        }
    }
}

extension Logger.Level {
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    init(option: String) throws {
        guard let level = Logger.Level(rawValue: option) else {
            throw ValidationError("a level is one of \(Self.names)")
        }
        self = level
    }
}
