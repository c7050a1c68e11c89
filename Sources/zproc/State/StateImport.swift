// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

struct StateImport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Brings back what 'export' has saved: each namespace in one step.",
        discussion: """
            Keys of the document get its values, others stay as they are; with --replace the others go. Namespaces that \
            are not in the document are left alone. The document is checked before anything is changed.
            """
    )

    @Argument(help: "The file; the standard input when none is named.", completion: .file()) var file = "-"
    @Option(help: "Which namespace of the document; all when none is named.") var namespace: String?
    @Flag(help: "Make the namespaces what the document says, and nothing else.") var replace = false
    @OptionGroup var hub: HubOption

    func run() async throws {
        let name = file == "-" ? "the standard input" : file
        let bytes = try Files.read(file)
        var document: StateDocument
        do throws(JSONError) {
            document = try StateDocument(JSONReader.read(bytes))
        } catch {
            throw Failure("\(name): \(error)")
        }
        if let namespace {
            document.namespaces.removeAll { $0.name != namespace }
            guard !document.namespaces.isEmpty else { throw Failure("\(name) has no namespace '\(namespace)'") }
        }
        try await hub.withHub { context in
            for namespace in document.namespaces {
                let state = context.state(namespace: namespace.name)
                if replace {
                    try await state.replaceAll(with: namespace.entries)
                } else {
                    try await state.merge(namespace.entries)
                }
                try Output.put("\(Text.printable(namespace.name)): \(Text.count(namespace.entries.count, "key"))\n")
            }
        }
    }
}
