// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// Something else that people use for such work; its script of the same name does the workloads.
enum PeerName: String, CaseIterable, Codable, Sendable {
    case pythonZProc = "python-zproc"
    case multiprocessing
    case multiprocessingManager = "multiprocessing-manager"
    case joblib, ray, redis

    var script: String { "peer_\(rawValue.map { $0 == "-" ? "_" : "\($0)" }.joined()).py" }

    /// Those of a list such as `ray,redis`; `all` for all.
    ///
    /// - Throws: `ValidationError` that names the choices.
    static func list(_ text: String) throws -> [PeerName] {
        if text == "all" { return allCases }
        var names: [PeerName] = []
        for word in text.split(separator: ",") {
            guard let name = PeerName(rawValue: String(word)) else {
                let choices = allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("there is no peer '\(word)'; choose from \(choices), or all")
            }
            if !names.contains(name) { names.append(name) }
        }
        return names
    }
}
