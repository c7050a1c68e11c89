// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import MessagePack

/// One atomic change of a namespace, as a value: it means the same wherever it is carried out.
package enum StateOperation: Sendable {
    case set(String, EncodedValue)
    case remove(String)
    case popAny
    case setIfAbsent(String, EncodedValue)
    case merge([String: EncodedValue])
    case replaceAll([String: EncodedValue])
    case clear
    case increment(String, EncodedValue)
    case append(String, [EncodedValue])
    case compareAndSet(String, expected: EncodedValue?, new: EncodedValue?)

    /// Whether it touches one key, and costs little more than that.
    package var isSmall: Bool {
        switch self {
        case .set(_, let value), .setIfAbsent(_, let value), .increment(_, let value): value.bytes.count < 4096
        case .remove: true
        case .compareAndSet(_, _, let new): (new?.bytes.count ?? 0) < 4096
        case .popAny, .merge, .replaceAll, .clear, .append: false
        }
    }

    /// Whether it may write something where there is nothing.
    package var mayFillEmpty: Bool {
        switch self {
        case .set, .setIfAbsent, .increment, .append: true
        case .merge(let values), .replaceAll(let values): !values.isEmpty
        case .compareAndSet(_, let expected, let new): expected == nil && new != nil
        case .remove, .popAny, .clear: false
        }
    }

    /// Carries it out; gives the answer's values.
    ///
    /// `remove` answers the old value or nothing, `popAny` key and value or nothing, `setIfAbsent` and `compareAndSet`
    /// whether they wrote, `increment` the sum, `append` the new number of elements, the others nothing.
    package func apply(to draft: inout Draft) throws(StateError) -> [EncodedValue] {
        switch self {
        case .set(let key, let value):
            try draft.setEncoded(key, value)
            return []
        case .remove(let key):
            return try draft.removeEncoded(key).map { [$0] } ?? []
        case .popAny:
            guard let (key, value) = try draft.popEncoded() else { return [] }
            return [try EncodedValue(encoding: key, for: key), value]
        case .setIfAbsent(let key, let value):
            let isAbsent = try draft.encoded(key) == nil
            if isAbsent { try draft.setEncoded(key, value) }
            return [try EncodedValue(encoding: isAbsent, for: key)]
        case .merge(let values):
            for (key, value) in values { try draft.setEncoded(key, value) }
            return []
        case .replaceAll(let values):
            let kept = Set(values.keys.map { EntryKey($0) })
            for key in draft.keys where !kept.contains(EntryKey(key)) { try draft.setEncoded(key, nil) }
            for (key, value) in values { try draft.setEncoded(key, value) }
            return []
        case .clear:
            draft.removeAll()
            return []
        case .increment(let key, let amount):
            return [try Self.increment(key, by: amount.value, in: &draft)]
        case .append(let key, let elements):
            return [try EncodedValue(encoding: draft.append(elements, toEncoded: key), for: key)]
        case .compareAndSet(let key, let expected, let new):
            return [try EncodedValue(encoding: draft.compareAndSet(encoded: key, expected, new), for: key)]
        }
    }

    private static func increment(
        _ key: String,
        by amount: Value,
        in draft: inout Draft
    ) throws(StateError) -> EncodedValue {
        switch amount {
        case .int(let amount): return try EncodedValue(encoding: draft.increment(key, by: Int(amount)), for: key)
        case .double(let amount): return try EncodedValue(encoding: draft.increment(key, by: amount), for: key)
        case .float(let amount): return try EncodedValue(encoding: draft.increment(key, by: Double(amount)), for: key)
        default: throw StateError(.typeMismatch, "'\(key)' can be incremented by a number only", key: key)
        }
    }
}
