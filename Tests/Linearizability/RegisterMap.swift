// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A dictionary of integers, each key of which is independent of the others.
public enum RegisterMap: SequentialModel {
    /// What may be asked of the dictionary.
    public enum Operation: Hashable, Codable, Sendable {
        /// Answers ``Output/value(_:)``, nil when the key has none.
        case get(key: String)
        /// Answers ``Output/done``.
        case set(key: String, Int)
        /// Adds to the value, 0 when there is none, and answers ``Output/value(_:)`` with the sum.
        ///
        /// A sum that does not fit cannot be answered; nothing changes then.
        case increment(key: String, by: Int)
        /// Sets the value if it is the expected one and answers ``Output/bool(_:)``, whether it was.
        case compareAndSet(key: String, expected: Int?, Int)
        /// Removes the value and answers ``Output/value(_:)`` with the one before.
        case remove(key: String)

        /// The key this is about.
        public var key: String {
            switch self {
            case .get(let key), .set(let key, _), .increment(let key, _), .compareAndSet(let key, _, _),
                .remove(let key):
                key
            }
        }
    }

    /// What an operation answers.
    public enum Output: Hashable, Codable, Sendable {
        /// A value, nil for none.
        case value(Int?)
        /// Nothing but that it is done.
        case done
        /// Whether something was so.
        case bool(Bool)
    }

    /// One key's value.
    public struct State: Hashable, Sendable {
        /// The value, nil for none.
        public var value: Int?

        /// Makes a state.
        public init(value: Int? = nil) {
            self.value = value
        }
    }

    /// No value.
    public static var initial: State { State() }

    /// Runs `operation` on one key's value; nil when it answers something other than `output`.
    public static func step(_ state: State, _ operation: Operation, _ output: Output?) -> State? {
        let (next, answer) = run(operation, on: state.value)
        return output == nil || output == answer ? State(value: next) : nil
    }

    /// The key.
    public static func partition(_ operation: Operation) -> String? { operation.key }

    /// The value afterwards, and the answer; no answer when there is none to give.
    private static func run(_ operation: Operation, on value: Int?) -> (value: Int?, answer: Output?) {
        switch operation {
        case .get: return (value, .value(value))
        case .set(_, let new): return (new, .done)
        case .increment(_, let amount):
            let (sum, isTooLarge) = (value ?? 0).addingReportingOverflow(amount)
            return isTooLarge ? (value, nil) : (sum, .value(sum))
        case .compareAndSet(_, let expected, let new):
            return value == expected ? (new, .bool(true)) : (value, .bool(false))
        case .remove: return (nil, .value(value))
        }
    }
}

extension RegisterMap.Operation: CustomStringConvertible {
    /// The operation as transcripts show it.
    public var description: String {
        switch self {
        case .get(let key): "get(\(key))"
        case .set(let key, let value): "set(\(key), \(value))"
        case .increment(let key, let amount): "increment(\(key), by: \(amount))"
        case .compareAndSet(let key, let expected, let new):
            "compareAndSet(\(key), \(expected.map(String.init) ?? "none") to \(new))"
        case .remove(let key): "remove(\(key))"
        }
    }
}

extension RegisterMap.Output: CustomStringConvertible {
    /// The answer as transcripts show it.
    public var description: String {
        switch self {
        case .value(let value): value.map(String.init) ?? "none"
        case .done: "done"
        case .bool(let bool): "\(bool)"
        }
    }
}

extension RegisterMap.State: CustomStringConvertible {
    /// The value as transcripts show it.
    public var description: String { value.map(String.init) ?? "none" }
}
