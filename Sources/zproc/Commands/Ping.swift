// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

/// Asks a hub whether it is there.
struct Ping: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks a hub whether it is there: which process, version and build it is, and how fast it answers.",
        discussion: "The probe for health and readiness: its status is 0 when the hub answers, and 2 when it does not."
    )

    @Argument(help: "Where the hub listens. By default that of ZPROC_ADDRESS.") var address: String?
    @OptionGroup var access: AccessOptions
    @OptionGroup var format: FormatOption

    func run() async throws {
        let address = try hubAddress(address)
        let access = access
        let (hub, roundTrip) = try await withDeadline(access.patience) {
            try await access.withHub(at: address) { try await $0.ping() }
        }
        let seconds = roundTrip / .seconds(1)
        if format.json {
            try Output.put(JSON(hub, at: address).adding("roundTrip", .number(seconds)))
        } else {
            try Output.put(
                Text.printable(
                    "\(address): pid \(hub.processID), version \(hub.version), build \(hub.build), up "
                        + "\(Text.duration(hub.uptime)), answered in \(Text.duration(seconds))"
                ) + "\n"
            )
        }
    }
}

extension JSON {
    init(_ hub: HubInfo, at address: String) {
        self = .object([
            Member("address", .string(address)),
            Member("pid", .number(hub.processID)),
            Member("version", .string(hub.version)),
            Member("protocol", .number(hub.protocolVersion)),
            Member("build", .string(hub.build)),
            Member("uptime", .number(hub.uptime)),
            Member("clients", .number(hub.clients)),
            Member("callsInFlight", .number(hub.callsInFlight)),
            Member("namespaces", .number(hub.namespaces)),
        ])
    }

    func adding(_ key: String, _ value: JSON) -> JSON {
        guard case .object(let members) = self else { return self }
        return .object(members + [Member(key, value)])
    }
}
