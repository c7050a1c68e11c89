// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import ZProcCore

/// The arguments of the methods of the state that are called most, written and read by hand, and answers to changes.
///
/// Arguments travel as an ``ArgumentList`` of the same values does, answers as their array.
enum StateArguments {
    /// `[namespace, origin, key, value]`, without what is nil.
    static func encoded(
        _ namespace: String,
        by origin: Origin? = nil,
        key: String? = nil,
        value: EncodedValue? = nil
    ) -> [UInt8] {
        let count = 1 + (origin == nil ? 0 : 1) + (key == nil ? 0 : 1) + (value == nil ? 0 : 1)
        let textCount = namespace.utf8.count + (key?.utf8.count ?? 0)
        return FieldWriter.bytes(count: count, capacity: textCount + (value?.bytes.count ?? 0)) { writer in
            writer.append(namespace)
            if let origin { writer.append(origin.number) }
            if let key { writer.append(key) }
            if let value { writer.append(value) }
        }
    }

    /// The answer to a change.
    static func encoded(answer values: [EncodedValue]) -> [UInt8] {
        return FieldWriter.bytes(count: values.count, capacity: values.reduce(0) { $0 + $1.bytes.count }) { writer in
            for value in values { writer.append(value) }
        }
    }

    /// Reads an answer of no value, or of one that is simple; nil for any other, and for what is none.
    static func values(ofAnswer bytes: ArraySlice<UInt8>) -> [EncodedValue]? {
        var reader = FieldReader(bytes: bytes)
        switch try? reader.readArrayHeader() {
        case 0: return reader.rest.isEmpty ? [] : nil
        case 1: return EncodedValue(simple: reader.rest).map { [$0] }
        default: return nil
        }
    }
}

extension StateCall {
    /// Reads `[namespace, key]`.
    func keyArguments() throws -> (String, String) {
        let usual = usualArguments(count: 2) { reader in
            let values = (try reader.readString(), try reader.readString())
            try reader.finish()
            return values
        }
        return try usual ?? arguments(String.self, String.self)
    }

    /// Reads `[namespace, origin, key]`.
    func changedKeyArguments() throws -> (String, Origin, String) {
        let usual = usualArguments(count: 3) { reader in
            let values = (try reader.readString(), Origin(number: try reader.readUInt()), try reader.readString())
            try reader.finish()
            return values
        }
        return try usual ?? arguments(String.self, Origin.self, String.self)
    }

    /// Reads `[namespace, origin, key, value]`.
    func changedValueArguments() throws -> (String, Origin, String, EncodedValue) {
        let usual = usualArguments(count: 4) { reader in
            (
                try reader.readString(), Origin(number: try reader.readUInt()), try reader.readString(),
                try lastValue(reader.rest)
            )
        }
        return try usual ?? arguments(String.self, Origin.self, String.self, EncodedValue.self)
    }

    /// Reads `[namespace, origin, closure]`.
    func closureArguments() throws -> (String, Origin, PortableClosure) {
        let usual = usualArguments(count: 3) { reader in
            (
                try reader.readString(), Origin(number: try reader.readUInt()),
                try lastValue(reader.rest)
            )
        }
        guard let (namespace, origin, closure) = usual else {
            return try arguments(String.self, Origin.self, PortableClosure.self)
        }
        return (namespace, origin, try self.closure(in: closure))
    }

    private func lastValue(_ bytes: ArraySlice<UInt8>) throws -> EncodedValue {
        if let value = EncodedValue(simple: bytes) { return value }
        var decoder = system.decoder
        // The array of the arguments is around it.
        decoder.limits.maximumDepth -= 1
        return try decoder.decode(EncodedValue.self, from: bytes)
    }

    /// Reads arguments in the form that is written here; nil for any other form, and for what is none at all.
    private func usualArguments<Values>(
        count: Int,
        _ read: (inout FieldReader) throws -> Values
    ) -> Values? {
        var reader = FieldReader(bytes: incoming.arguments)
        guard let found = try? reader.readArrayHeader(), found == count else { return nil }
        return try? read(&reader)
    }
}
