// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

/// Lists what a hub runs.
struct Ps: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the hub's process and those it has spawned: bodies, workers, hosts of actors.",
        discussion: "Where the output is no terminal, times are in seconds and memory is in bytes."
    )

    @OptionGroup var hub: HubOption
    @OptionGroup var format: FormatOption

    func run() async throws {
        let processes = try await hub.withHub { try await $0.hubProcesses() }
        if format.json {
            try Output.put(.array(processes.map { JSON($0) }))
        } else {
            try Output.put(Self.table(processes, isForPeople: Output.isTerminal))
        }
    }

    static func table(_ processes: [ZProc.ProcessInfo], isForPeople: Bool) -> Table {
        var table = Table(
            .init(title: "PID", isNumber: true),
            .init(title: "NAME"),
            .init(title: "CPU", isNumber: true),
            .init(title: "MEMORY", isNumber: true),
            .init(title: "UPTIME", isNumber: true)
        )
        for process in processes {
            if isForPeople {
                table.add(
                    String(process.processID),
                    process.name,
                    Text.duration(process.processorTime),
                    Text.bytes(process.memory),
                    Text.duration(process.uptime)
                )
            } else {
                table.add(
                    String(process.processID),
                    process.name,
                    process.processorTime.description,
                    String(process.memory),
                    process.uptime.description
                )
            }
        }
        return table
    }
}

extension JSON {
    init(_ process: ZProc.ProcessInfo) {
        self = .object([
            Member("pid", .number(process.processID)),
            Member("name", .string(process.name)),
            Member("processorTime", .number(process.processorTime)),
            Member("memory", .number(process.memory)),
            Member("uptime", .number(process.uptime)),
        ])
    }
}
