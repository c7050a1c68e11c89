// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import ZProcComparison

/// Everything that a run of the program has found out.
struct Report: Codable {
    /// The day, as `2026-01-31`.
    var date: String
    var machine: Machine
    var rounds: Int
    var workloads: [WorkloadReport] = []
    /// What peers call themselves, with their versions.
    var peers: [String] = []
    /// Peers that were asked for and are not here.
    var absentPeers: [AbsentPeer] = []

    /// Makes the directory, and finds out whether files can be written there, before anything is measured for them.
    static func prepare(_ directory: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw ReportError(description: "the directory \(directory) cannot be made: \(error)")
        }
        _ = try OutputFile(path: "\(directory)/report.json")
    }

    /// Writes `report.md`, `report.json` and the charts to a directory.
    func write(to directory: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let json = String(decoding: try encoder.encode(self), as: UTF8.self)
        try OutputFile(path: "\(directory)/report.json").write(json + "\n")
        try OutputFile(path: "\(directory)/report.md").write(markdown)
        for workload in workloads {
            for chart in workload.charts { try OutputFile(path: "\(directory)/\(chart.file)").write(chart.svg) }
        }
    }

    private var markdown: String {
        var text = """
            # Backends compared

            \(date), \(machine.description).
            Medians of \(rounds) rounds in which all had their turns; CPU time and memory are of all processes together. Made by `swift package compare-backends`.


            """
        if !peers.isEmpty { text += "Peers: \(peers.joined(separator: ", ")).\n\n" }
        if !absentPeers.isEmpty {
            text += "Not on this machine: "
            text += absentPeers.map { "\($0.name.rawValue) (\($0.reason))" }.joined(separator: ", ") + ".\n\n"
        }
        return text + workloads.map(\.markdown).joined(separator: "\n")
    }
}

/// A report cannot be written.
struct ReportError: Error, CustomStringConvertible {
    let description: String
}
