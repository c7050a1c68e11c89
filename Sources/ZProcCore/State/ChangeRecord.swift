// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import MessagePack

/// What one transaction did to one key; nil for no value.
package struct Write: Sendable, Equatable {
    package var key: String
    package var before: EncodedValue?
    package var after: EncodedValue?

    package init(key: String, before: EncodedValue?, after: EncodedValue?) {
        self.key = key
        self.before = before
        self.after = after
    }

    var byteCount: Int { key.utf8.count + (before?.bytes.count ?? 0) + (after?.bytes.count ?? 0) }
}

/// One committed transaction, as it is kept in the history.
package struct ChangeRecord: Sendable, Equatable {
    package var revision: Revision
    /// Microseconds since 1970, for people: nothing is ordered by it.
    package var time: Int64
    package var origin: Origin
    /// One for each key that was written, also where the value stayed the same.
    package var writes: [Write]

    package init(revision: Revision, time: Int64, origin: Origin, writes: [Write]) {
        self.revision = revision
        self.time = time
        self.origin = origin
        self.writes = writes
    }

    /// What counts towards the limit in bytes.
    package var byteCount: Int { writes.reduce(32) { $0 + $1.byteCount } }
}

/// Travels as `[revision, time, origin, [[key, [before], [after]], …]]`, with `[]` for no value.
extension ChangeRecord: Codable {
    package init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        revision = try container.decode(Revision.self)
        time = try container.decode(Int64.self)
        origin = try container.decode(Origin.self)
        writes = try container.decode([Write].self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(revision)
        try container.encode(time)
        try container.encode(origin)
        try container.encode(writes)
    }
}

extension Write: Codable {
    package init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        key = try container.decode(String.self)
        before = try container.decode([EncodedValue].self).first
        after = try container.decode([EncodedValue].self).first
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(key)
        try container.encode(before.map { [$0] } ?? [])
        try container.encode(after.map { [$0] } ?? [])
    }
}
