// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// Namespaces as they are saved, in JSON.
///
///     {"zproc": 1, "namespaces": {"default": {"revision": 12, "entries": {"cookies": 5}}}}
struct StateDocument: Equatable {
    static let version = 1

    struct Namespace: Equatable {
        var name: String
        /// What it was saved at, for people; a saved state is given a new one.
        var revision: Revision
        var entries: [String: Value]
    }

    var namespaces: [Namespace]

    init(_ namespaces: [Namespace]) { self.namespaces = namespaces }

    init(_ json: JSON) throws(JSONError) {
        guard case .number(let version)? = json["zproc"], case .object(let members)? = json["namespaces"] else {
            throw JSONError("this is no state that 'zproc state export' has saved: it lacks 'zproc' and 'namespaces'")
        }
        guard version == String(Self.version) else {
            throw JSONError("this state was saved as version \(version), and this program knows \(Self.version) only")
        }
        namespaces = []
        for member in members {
            guard case .object(let entries)? = member.value["entries"] else {
                throw JSONError("namespace '\(member.key)' has no entries")
            }
            var values: [String: Value] = [:]
            for entry in entries {
                do throws(JSONError) {
                    values[entry.key] = try entry.value.value()
                } catch {
                    throw JSONError("'\(entry.key)' of namespace '\(member.key)': \(error)")
                }
            }
            var revision = Revision.zero
            if case .number(let digits)? = member.value["revision"] { revision = Revision(UInt64(digits) ?? 0) }
            namespaces.append(Namespace(name: member.key, revision: revision, entries: values))
        }
    }

    var json: JSON {
        let members = namespaces.map { namespace in
            let entries = namespace.entries.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }
            return JSON.Member(
                namespace.name,
                .object([.init("revision", JSON(namespace.revision)), .init("entries", .object(entries))])
            )
        }
        return .object([.init("zproc", .number(Self.version)), .init("namespaces", .object(members))])
    }
}
