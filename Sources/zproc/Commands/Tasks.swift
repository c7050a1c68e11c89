// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

/// Lists the tasks whose results are kept.
struct Tasks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the tasks whose results the hub keeps: running, done, or lost with their program.",
        discussion: "Forgets results that have expired, which takes the keys of a writer when there are some."
    )

    @OptionGroup var hub: HubOption
    @OptionGroup var format: FormatOption

    func run() async throws {
        let tasks = try await hub.withHub { try await $0.taskResults() }.sorted { $0.id < $1.id }
        if format.json {
            try Output.put(.array(tasks.map { JSON($0) }))
        } else {
            var table = Table(.init(title: "ID"), .init(title: "STATE"), .init(title: "LABEL"))
            for task in tasks { table.add(task.id, task.stateName, task.label ?? "") }
            try Output.put(table)
        }
    }
}

extension TaskResultInfo {
    var stateName: String { isDone ? "done" : isLost ? "lost" : "running" }
}

extension JSON {
    init(_ task: TaskResultInfo) {
        self = .object([
            Member("id", .string(task.id)),
            Member("label", task.label.map { .string($0) } ?? .null),
            Member("state", .string(task.stateName)),
        ])
    }
}
