// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Linearizability

typealias Recorded = RecordedOperation<RegisterMap.Operation, RegisterMap.Output>
typealias MapChecker = LinearizabilityChecker<RegisterMap>

extension Recorded {
    /// A record whose process says which line of a test it is.
    static func at(
        _ span: ClosedRange<UInt64>,
        _ process: Int,
        _ operation: RegisterMap.Operation,
        _ output: RegisterMap.Output?
    ) -> Recorded {
        Recorded(
            process: process,
            call: span.lowerBound,
            return: span.upperBound,
            operation: operation,
            output: output
        )
    }

    /// A record without a return.
    static func killed(_ call: UInt64, _ process: Int, _ operation: RegisterMap.Operation) -> Recorded {
        Recorded(process: process, call: call, return: nil, operation: operation, output: nil)
    }
}

extension Verdict {
    var isViolation: Bool {
        if case .violation = self { true } else { false }
    }
}

/// Numbers that are the same for the same seed.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// Runs an operation on a real dictionary; written apart from `RegisterMap`, to check it.
func perform(_ operation: RegisterMap.Operation, on dictionary: inout [String: Int]) -> RegisterMap.Output {
    switch operation {
    case .get(let key):
        return .value(dictionary[key])
    case .set(let key, let value):
        dictionary[key] = value
        return .done
    case .increment(let key, let amount):
        dictionary[key, default: 0] += amount
        return .value(dictionary[key])
    case .compareAndSet(let key, let expected, let value):
        guard dictionary[key] == expected else { return .bool(false) }
        dictionary[key] = value
        return .bool(true)
    case .remove(let key):
        return .value(dictionary.removeValue(forKey: key))
    }
}
