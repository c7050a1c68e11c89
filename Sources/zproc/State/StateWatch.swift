// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct StateWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Prints a line of JSON for each change of a namespace: every one, in order, once.",
        discussion: """
            A line has the revision, the time, who made it, and for each key that changed what it was before and is \
            after; a key without a value lacks that member. '--from' the last revision seen goes on from there. A hub \
            that goes away is waited for as long as --timeout says.
            """
    )

    @Argument(help: "The keys to watch; all when none is named.") var keys: [String] = []
    @Option(
        help: ArgumentHelp(
            "Where to begin: with what happens from now on, with the first change that is kept, or after a revision.",
            valueName: "now|beginning|REVISION"
        ),
        transform: { try WatchStart(option: $0) }
    )
    var from: WatchStart = .now
    @Option(help: "End after so many lines.") var count: Int?
    @Flag(
        help: """
            When changes have been forgotten before they could be printed, print the whole state, marked as a reset, and \
            go on from there, rather than fail.
            """
    )
    var reset = false
    @OptionGroup var state: StateOption

    func validate() throws {
        guard count.map({ $0 > 0 }) ?? true else { throw ValidationError("--count is 1 or more") }
    }

    func run() async throws {
        try await state.withState { state in
            let policy: CompactionPolicy = reset ? .reset : .fail
            // The hub sorts out the changes of one key; those of several are sorted out here.
            let changes =
                keys.count == 1
                ? state.changes(of: keys[0], from: from, onCompaction: policy)
                : state.changes(from: from, onCompaction: policy)
            let wanted = Set(keys)
            var printed = 0
            for try await change in changes {
                guard let line = JSON(change, of: wanted) else { continue }
                try Output.put(line)
                printed += 1
                if printed == count { break }
            }
        }
    }
}

extension JSON {
    /// One change; nil when it is of none of these keys.
    ///
    /// An empty set stands for all.
    init?(_ change: Change, of wanted: Set<String>) {
        var members = [Member("revision", JSON(change.revision))]
        if change.isReset {
            members += [Member("reset", .bool(true)), Member("entries", JSON(change.after))]
        } else {
            let keys = change.keys.filter { wanted.isEmpty || wanted.contains($0) }
            guard !keys.isEmpty else { return nil }
            members += [
                Member("time", JSON(time: change.time)), Member("origin", .string(change.origin.description)),
                Member(
                    "keys",
                    .object(
                        keys.map { key in
                            let before = change.before[key].map { [Member("before", JSON($0))] } ?? []
                            let after = change.after[key].map { [Member("after", JSON($0))] } ?? []
                            return Member(key, .object(before + after))
                        }
                    )
                ),
            ]
        }
        self = .object(members)
    }
}

extension WatchStart {
    init(option: String) throws {
        switch option {
        case "now": self = .now
        case "beginning": self = .beginning
        default:
            guard let revision = try? Revision(option: option) else {
                throw ValidationError("--from is 'now', 'beginning' or the number of a revision")
            }
            self = .revision(revision)
        }
    }
}
