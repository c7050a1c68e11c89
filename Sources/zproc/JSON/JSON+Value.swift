// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import ZProc

/// MessagePack's values as JSON, so that reading gives exactly what was written.
///
/// What JSON lacks is an object with one member, whose name begins with `$`:
///
///     {"$binary": "AQID"}                      bytes, in Base64
///     {"$timestamp": "2026-01-31T12:00:00Z"}   a moment, with up to nine decimals, or [seconds, nanoseconds]
///     {"$ext": [5, "AQID"]}                    an extension: its type and its bytes
///     {"$float": 1.5}                          a number of 32 bits; those of 64 have a point or an exponent
///     {"$double": "NaN"}                       NaN, Infinity, -Infinity; the same in $float
///     {"$map": [[1, "one"], [2, "two"]]}       a map with other keys than strings, or that looks like one of these
extension JSON {
    init(_ value: Value) {
        switch value {
        case .nil: self = .null
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .number(value)
        case .uint(let value): self = .number(value)
        case .float(let value):
            self = .special("float", value.isFinite ? .number(value.description) : .string(Self.name(Double(value))))
        case .double(let value):
            self = value.isFinite ? .number(value) : .special("double", .string(Self.name(value)))
        case .string(let value): self = .string(value)
        case .binary(let bytes): self = .special("binary", .string(Self.base64(bytes)))
        case .array(let elements): self = .array(elements.map(JSON.init))
        case .timestamp(let time):
            let parts = JSON.array([.number(time.seconds), .number(time.nanoseconds)])
            self = .special("timestamp", TimeText.text(of: time).map { .string($0) } ?? parts)
        case .ext(let type, let bytes): self = .special("ext", .array([.number(type), .string(Self.base64(bytes))]))
        case .map(let map):
            var members: [Member] = []
            for (key, value) in map {
                guard case .string(let key) = key else { break }
                members.append(Member(key, JSON(value)))
            }
            if members.count == map.count, members.count != 1 || !members[0].key.hasPrefix("$") {
                self = .object(members)
            } else {
                self = .special("map", .array(map.map { .array([JSON($0.key), JSON($0.value)]) }))
            }
        }
    }

    /// The value this stands for.
    func value() throws(JSONError) -> Value {
        switch self {
        case .null: return .nil
        case .bool(let value): return .bool(value)
        case .number(let digits): return try Self.number(digits)
        case .string(let value): return .string(value)
        case .array(let elements):
            var values: [Value] = []
            for element in elements { values.append(try element.value()) }
            return .array(values)
        case .object(let members):
            if members.count == 1, members[0].key.hasPrefix("$") {
                return try Self.special(members[0].key, members[0].value)
            }
            var pairs: [(Value, Value)] = []
            for member in members { pairs.append((.string(member.key), try member.value.value())) }
            return .map(Value.Map(pairs))
        }
    }

    private static func special(_ name: String, _ content: JSON) -> JSON { .object([Member("$\(name)", content)]) }

    private static func special(_ name: String, _ content: JSON) throws(JSONError) -> Value {
        switch (name, content) {
        case ("$binary", .string(let text)):
            if let bytes = bytes(text) { return .binary(bytes) }
        case ("$timestamp", .string(let text)):
            if let time = TimeText.time(of: text) { return .timestamp(time) }
        case ("$timestamp", .array(let parts)):
            if parts.count == 2, case .number(let seconds) = parts[0], case .number(let nanoseconds) = parts[1],
                let seconds = Int64(seconds), let nanoseconds = UInt32(nanoseconds), nanoseconds < 1_000_000_000
            {
                return .timestamp(MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds))
            }
        case ("$ext", .array(let parts)):
            if parts.count == 2, case .number(let type) = parts[0], case .string(let text) = parts[1],
                let type = Int8(type), let bytes = bytes(text)
            {
                return .ext(type: type, bytes)
            }
        case ("$float", .number(let digits)):
            if let value = Float(digits), value.isFinite { return .float(value) }
        case ("$float", .string(let name)):
            if let value = notFinite(name) { return .float(Float(value)) }
        case ("$double", .string(let name)):
            if let value = notFinite(name) { return .double(value) }
        case ("$map", .array(let parts)):
            var pairs: [(Value, Value)] = [], keys: Set<Value> = []
            for part in parts {
                guard case .array(let pair) = part, pair.count == 2 else {
                    throw JSONError("in $map each pair is an array of a key and a value")
                }
                let key = try pair[0].value()
                guard keys.insert(key).inserted else { throw JSONError("the key \(pair[0].text()) is in a $map twice") }
                pairs.append((key, try pair[1].value()))
            }
            return .map(Value.Map(pairs))
        default: break
        }
        let known = ["$binary", "$timestamp", "$ext", "$float", "$double", "$map"]
        guard known.contains(name) else {
            throw JSONError(
                "\(JSON.string(name).text()) stands for nothing; write {\"$map\":[[\(JSON.string(name).text()),…]]} for a map with it"
            )
        }
        throw JSONError("\(name) cannot hold \(content.text())")
    }

    private static func number(_ digits: String) throws(JSONError) -> Value {
        if digits.contains(where: { ".eE".contains($0) }) {
            guard let value = Double(digits), value.isFinite else {
                throw JSONError("\(digits) is too large for 64 bits")
            }
            return .double(value)
        }
        if let value = Int64(digits) { return .int(value) }
        if let value = UInt64(digits) { return .uint(value) }
        throw JSONError("\(digits) fits no integer of 64 bits; write \(digits).0 for a floating-point number near it")
    }

    private static func name(_ value: Double) -> String {
        value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
    }

    private static func notFinite(_ name: String) -> Double? {
        switch name {
        case "NaN": .nan
        case "Infinity": .infinity
        case "-Infinity": -.infinity
        default: nil
        }
    }

    private static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
    private static func bytes(_ text: String) -> [UInt8]? { Data(base64Encoded: text).map { [UInt8]($0) } }
}
