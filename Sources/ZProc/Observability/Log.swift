// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Logging

/// What is logged, by where it comes from.
enum Log {
    static let process = Logger(label: "zproc.process")
    static let supervisor = Logger(label: "zproc.supervisor")
    static let swarm = Logger(label: "zproc.swarm")
    static let state = Logger(label: "zproc.state")
    static let hub = Logger(label: "zproc.hub")

    /// The keys of metadata; others rely on their names.
    enum Key: String {
        case process, name, build, supervisor, child, incarnation, attempt, swarm, worker, method, path, error
    }

    /// Facts as metadata; those that are nil are left out.
    static func facts(_ facts: KeyValuePairs<Key, Any?>) -> Logger.Metadata {
        var metadata = Logger.Metadata()
        for (key, fact) in facts { if let fact { metadata[key.rawValue] = "\(fact)" } }
        return metadata
    }
}
