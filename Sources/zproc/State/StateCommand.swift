// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

/// Everything about the state of a hub.
struct StateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "state",
        abstract: "Reads, changes, watches and saves the state of a hub.",
        discussion: """
            Values go in and out as JSON. Integers are exact, also those beyond 2^53; floating-point numbers have a \
            point or an exponent. What JSON lacks is an object with one member:
              {"$binary": "AQID"}                     bytes, in Base64
              {"$timestamp": "2026-01-31T12:00:00Z"}  a moment, with up to nine decimals, or [seconds, nanoseconds]
              {"$ext": [5, "AQID"]}                   an extension: its type and its bytes
              {"$float": 1.5}                         a floating-point number of 32 bits
              {"$double": "NaN"}                      NaN, Infinity or -Infinity; the same in $float
              {"$map": [[1, "one"]]}                  a map with other keys than strings, or that looks like one of these
            """,
        subcommands: [
            StateGet.self, StateSet.self, StateRemove.self, StateList.self, StateSnapshot.self, StateWatch.self,
            StateHistory.self, StateRestore.self, StateExport.self, StateImport.self,
        ]
    )
}

/// One namespace of a hub.
struct StateOption: ParsableArguments {
    @Option(help: "Which of the hub's dictionaries.") var namespace = "default"
    @OptionGroup var hub: HubOption

    func withState<Result>(_ body: (SharedState) async throws -> Result) async throws -> Result {
        try await hub.withHub { try await body($0.state(namespace: namespace)) }
    }
}

extension JSON {
    /// The entries of a state, sorted by their keys.
    init(_ snapshot: Snapshot) {
        self = .object(snapshot.items.sorted { $0.key < $1.key }.map { Member($0.key, JSON($0.value)) })
    }

    init(_ revision: Revision) { self = .number(revision.number) }

    /// A moment, without saying that it is one.
    init(time: MessagePackTimestamp) { self = TimeText.text(of: time).map { .string($0) } ?? .null }
}

extension Revision {
    init(option: String) throws {
        guard let number = UInt64(option) else { throw ValidationError("a revision is a number, such as 12") }
        self.init(number)
    }
}
