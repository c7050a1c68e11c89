// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

/// Looks at the machine.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Looks whether this machine has what hubs and contexts need, and says what to do where it lacks something.",
        discussion: "Fails when there is a problem; what works, but less well, is a warning and no failure."
    )

    @OptionGroup var format: FormatOption

    func run() async throws {
        let findings = SystemFacts.gathered().findings + (await Trials.run())
        if format.json {
            try Output.put(.array(findings.map { JSON($0) }))
        } else {
            try Output.put(Self.text(findings, Output.style))
        }
        let problems = findings.count { $0.verdict == .problem }
        if problems > 0 { throw Failure("doctor has found \(Text.count(problems, "problem"))") }
    }

    /// A line for each finding, and one below it for what to do.
    static func text(_ findings: [Finding], _ style: Style) -> String {
        var text = ""
        for finding in findings {
            let word =
                switch finding.verdict {
                case .good: style.green("ok     ")
                case .warning: style.yellow("warning")
                case .problem: style.red("problem")
                }
            text += "\(word)  \(Text.printable("\(finding.subject): \(finding.detail)"))\n"
            if let remedy = finding.remedy { text += "         → \(Text.printable(remedy))\n" }
        }
        return text
    }
}

extension JSON {
    init(_ finding: Finding) {
        self = .object([
            Member("subject", .string(finding.subject)),
            Member("verdict", .string(finding.verdict.rawValue)),
            Member("detail", .string(finding.detail)),
            Member("remedy", finding.remedy.map { .string($0) } ?? .null),
        ])
    }
}
