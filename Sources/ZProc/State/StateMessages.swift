// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import MessagePack
package import ZProcCore

/// What is asked of the state in another process; the method's name on the wire.
///
/// Arguments are an array: the namespace, for what changes something the origin (any number, 0 if it does not matter),
/// then what the method takes. Answers are one value.
enum StateMethod: String, CaseIterable {
    // Reads.

    /// `[namespace, key]` → `[value]`, or `[]` when there is none
    case get
    /// `[namespace, key]` → boolean
    case contains
    /// `[namespace]` → integer
    case count
    /// `[namespace]` → array of strings
    case keys
    /// `[namespace]` → `[revision, {key: value, …}]`
    case snapshot
    /// `[namespace, revision]` → `[revision, {key: value, …}]`
    case snapshotAt
    /// `[]` → array of the namespaces' names
    case namespaces

    // Changes; answers are arrays.

    /// `[namespace, origin, key, value]` → `[]`
    case set
    /// `[namespace, origin, key]` → `[value]` that was there, or `[]`
    case remove
    /// `[namespace, origin]` → `[key, value]`, or `[]` when there is none
    case popAny
    /// `[namespace, origin, key, value]` → `[boolean]`: whether it was absent
    case setIfAbsent
    /// `[namespace, origin, {key: value, …}]` → `[]`
    case merge
    /// `[namespace, origin, {key: value, …}]` → `[]`
    case replaceAll
    /// `[namespace, origin]` → `[]`
    case clear
    /// `[namespace, origin, key, number]` → `[sum]`
    case increment
    /// `[namespace, origin, key, [element, …]]` → `[count]`
    case append
    /// `[namespace, origin, key, [expected], [new]]`, each `[]` for no value → `[boolean]`: whether it was written
    case compareAndSet
    /// `[namespace, origin, closure]` → the closure's result; between equal builds only
    case update
    /// `[namespace, origin, {key: value, …}, closure]` → nil; between equal builds only
    case mergeWith
    /// `[namespace, origin, {key: default, …}, closure]` → the closure's result; between equal builds only
    case updateModel

    // The past.

    /// `[namespace]` → `{birth, oldest, newest}`, revisions
    case span
    /// `[namespace, revision, limit]` → array of changes after the revision
    case records
    /// the same; the answer comes when there is at least one
    case nextRecords
    /// `[namespace, key]` → array of changes, with this key's part only
    case history
    /// `[namespace, origin, revision]` → nil
    case restore
    /// `[namespace, origin]` → nil
    case drop
}

extension StateMethod {
    private typealias Words = (UInt, UInt)
    private static let all = allCases.map { (words: unsafeBitCast($0.rawValue, to: Words.self), method: $0) }

    /// The method of a name; nil for a name of none.
    init?(name: String) {
        // A short string is its two words, and will be: the type is frozen. Names are looked up twice for each call.
        let words = unsafeBitCast(name, to: Words.self)
        if let known = Self.all.first(where: { $0.words == words }) {
            self = known.method
        } else {
            self.init(rawValue: name)
        }
    }

    /// What a caller must be allowed to do.
    var role: Role {
        switch self {
        case .get, .contains, .count, .keys, .snapshot, .snapshotAt, .namespaces, .span, .records, .nextRecords,
            .history:
            .reader
        case .set, .remove, .popAny, .setIfAbsent, .merge, .replaceAll, .clear, .increment, .append, .compareAndSet,
            .restore, .drop:
            .writer
        case .update, .mergeWith, .updateModel: .runner
        }
    }
}

extension StateOperation {
    var method: StateMethod {
        switch self {
        case .set: .set
        case .remove: .remove
        case .popAny: .popAny
        case .setIfAbsent: .setIfAbsent
        case .merge: .merge
        case .replaceAll: .replaceAll
        case .clear: .clear
        case .increment: .increment
        case .append: .append
        case .compareAndSet: .compareAndSet
        }
    }

    /// The method's name on the wire.
    package var methodName: String { method.rawValue }

    /// The arguments of the method.
    package func encoded(for namespace: String, by origin: Origin, with encoder: MessagePackEncoder) throws -> [UInt8] {
        switch self {
        case .set(let key, let value), .setIfAbsent(let key, let value), .increment(let key, let value):
            StateArguments.encoded(namespace, by: origin, key: key, value: value)
        case .remove(let key): StateArguments.encoded(namespace, by: origin, key: key)
        case .popAny, .clear: StateArguments.encoded(namespace, by: origin)
        case .merge(let values), .replaceAll(let values): try encoder.encode(ArgumentList(namespace, origin, values))
        case .append(let key, let elements): try encoder.encode(ArgumentList(namespace, origin, key, elements))
        case .compareAndSet(let key, let expected, let new):
            try encoder.encode(
                ArgumentList(namespace, origin, key, expected.map { [$0] } ?? [], new.map { [$0] } ?? [])
            )
        }
    }
}
