// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import ServiceLifecycle
import UnixSignals
import ZProc

/// Shows what a hub does, again and again.
struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the hub and its processes, anew each second; 'q' ends it.",
        discussion: "Where the output is no terminal, prints what there is once."
    )

    @OptionGroup var hub: HubOption
    @Option(help: "How many seconds lie between two looks.") var interval = 1.0

    func validate() throws {
        guard interval >= 0.1, interval <= 3_600 else { throw ValidationError("--interval is from 0.1 to 3600") }
    }

    func run() async throws {
        let address = try hubAddress(hub.address)
        guard Output.isTerminal else {
            let frame = try await hub.withHub { try await TopFrame(look(address, $0), since: nil) }
            return try Output.put(frame.lines(.plain).map { "\($0)\n" }.joined())
        }
        // Signals end the view in order, so that the terminal is left as it was.
        let view = TopView(hub: hub, address: address, interval: .seconds(interval))
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(
                        service: view,
                        successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .cancelGroup
                    )
                ],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Logger(label: "zproc.top") { _ in SwiftLogNoOpLogHandler() }
            )
        )
        try await group.run()
    }
}

/// Asks a hub for all that a frame shows.
private func look(_ address: String, _ context: Context) async throws -> TopFrame.Sample {
    let (hub, roundTrip) = try await context.ping()
    let processes = try await context.hubProcesses()
    return TopFrame.Sample(
        address: address,
        hub: hub,
        roundTrip: roundTrip / .seconds(1),
        processes: processes,
        instant: .now
    )
}

/// The view on a terminal.
private struct TopView: Service {
    let hub: HubOption
    let address: String
    let interval: Duration

    func run() async throws {
        do {
            try await hub.withHub { context in
                let screen = Screen()
                defer { screen.restore() }
                try await cancelWhenGracefulShutdown {
                    var last: TopFrame.Sample?
                    while !Task.isCancelled {
                        let sample = try await look(address, context)
                        let frame = TopFrame(sample, since: last)
                        last = sample
                        screen.show(frame.lines(Output.style))
                        if await screen.isQuit(within: interval) { return }
                    }
                }
            }
        } catch {
            // A signal may come between question and answer.
            guard Task.isShuttingDownGracefully else { throw error }
        }
    }
}
