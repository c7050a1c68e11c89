// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct StateExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Saves all namespaces, or one, as one document of JSON.",
        discussion: """
            Each namespace is as it was at one revision; between two of them changes may have come. A file is replaced \
            when the new one is complete, and only its owner can read it. The past is not saved.
            """
    )

    @Argument(help: "The file; the standard output when none is named.", completion: .file()) var file: String?
    @Option(help: "Which namespace; all when none is named.") var namespace: String?
    @OptionGroup var hub: HubOption

    func run() async throws {
        let document = try await hub.withHub { context in
            let names = if let namespace { [namespace] } else { try await context.namespaces() }
            var namespaces: [StateDocument.Namespace] = []
            for name in names {
                let snapshot = try await context.state(namespace: name).snapshot()
                namespaces.append(.init(name: name, revision: snapshot.revision, entries: snapshot.items))
            }
            return StateDocument(namespaces)
        }
        let text = "\(document.json.text(.indented))\n"
        if let file, file != "-" { try Files.replace(file, with: text) } else { try Output.put(text) }
    }
}
