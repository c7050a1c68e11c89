// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import FoundationEssentials
import ZProc

/// Runs every piece of code of the guides about the state, and sees to it that they are the guides'.
@main struct GuideSnippets {
    static func main() async throws {
        try checkGuides()
        for run in [
            StateSnippets.run, WatchingSnippets.run, AtomicitySnippets.run, ProcessesSnippets.run,
            SupervisionSnippets.run, ActorsSnippets.run, SwarmSnippets.run,
        ] {
            try await withContext(Backend.chosen) { try await run($0, $0.state) }
        }
        try await HubSnippets.run()
        try await SecuritySnippets.run()
        try await ComparingSnippets.run()
        let path = "/tmp/zproc-guide-\(UInt64.random(in: 0 ... .max)).state"
        try await DurabilitySnippets.run(path)
        for file in [path, path + "-lock"] { try FileManager.default.removeItem(atPath: file) }
    }

    /// Each piece of Swift in a guide must be, word for word, in the source file of its name.
    private static func checkGuides() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
        let docs = folder.deletingLastPathComponent().deletingLastPathComponent()
        for guide in [
            "State", "Watching", "Atomicity", "Durability", "Processes", "Supervision", "Actors", "Swarm", "Hub",
            "Security", "Comparing",
        ] {
            let text = try String(contentsOf: docs.appending(path: "\(guide).md"), encoding: .utf8)
            let source = try lines(
                String(contentsOf: folder.appending(path: "\(guide)Snippets.swift"), encoding: .utf8)
            )
            let pieces = text.split(separator: "```swift\n").dropFirst().compactMap { $0.split(separator: "```").first }
            if pieces.isEmpty { throw Surprise("\(guide).md has no piece of Swift") }
            for piece in pieces {
                let wanted = lines(String(piece))
                let isThere = source.indices.contains { source[$0...].starts(with: wanted) }
                if !isThere { throw Surprise("\(guide).md has a piece that is not compiled:\n\(piece)") }
            }
            print("\(guide).md: \(pieces.count) pieces compiled")
        }
    }

    /// Without the space that code of a function has before it.
    private static func lines(_ text: String) -> [Substring] {
        text.split(separator: "\n").map { line in line.drop { $0 == " " } }.filter { !$0.isEmpty }
    }
}
