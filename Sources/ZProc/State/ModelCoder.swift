// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import ZProcCore

/// A struct as the entries of a namespace: one for each stored property.
enum ModelCoder {
    /// The entries of a model; a property that is nil may be absent.
    static func entries<Model: Encodable>(of model: Model) throws(StateError) -> [String: EncodedValue] {
        do {
            return try EncodedValue(encoding: model).decode([String: EncodedValue].self)
        } catch {
            throw StateError(
                .notEncodable,
                "a \(Model.self) is no model: it must be a struct whose properties MessagePack can hold (\(error))"
            )
        }
    }

    /// Makes a model of entries, and of the defaults for properties that have none.
    static func model<Model: Decodable>(
        _ type: Model.Type,
        from snapshot: Snapshot,
        _ defaults: [String: EncodedValue]
    ) throws(StateError) -> Model {
        var entries = defaults
        do {
            try snapshot.entries.forEach { key, value in entries[key] = value }
        } catch {
            throw error as? StateError ?? StateError(.storageDamaged, "the state cannot be read: \(error)")
        }
        return try model(type, from: entries)
    }

    static func model<Model: Decodable>(
        _ type: Model.Type,
        from entries: [String: EncodedValue]
    ) throws(StateError) -> Model {
        do {
            return try EncodedValue(encoding: entries).decode(type)
        } catch {
            throw StateError(
                .typeMismatch,
                "the entries of the namespace make no \(Model.self): \(error); use another namespace, or a type that "
                    + "fits what is stored"
            )
        }
    }

    /// Changes the model that a draft holds.
    static func update<Model: Codable, Result>(
        _ draft: inout Draft,
        _ defaults: [String: EncodedValue],
        _ body: (inout Model) throws -> Result
    ) throws -> Result {
        var entries = defaults
        for key in draft.keys { entries[key] = try draft.encoded(key) }
        var model = try Self.model(Model.self, from: entries)
        let old = try Self.entries(of: model)
        let result = try body(&model)
        let new = try Self.entries(of: model)
        for (key, value) in new where value != old[key] { try draft.setEncoded(key, value) }
        // A property that has become nil says so: an absent one would be the default again.
        for key in old.keys where new[key] == nil { try draft.set(key, to: Value.nil) }
        return result
    }
}
