// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc
import ZProcComparison

/// The pieces of the guide `Comparing.md`.
enum ComparingSnippets {
    static func run() async throws {
        let numbers = Array(1...2_000)
        let comparison = try await compareBackends(rounds: 3, operations: numbers.count) {
            numbers.reduce(0) { $0 + divisors(of: $1) }
        } _: { context in
            try await context.swarm().map(numbers) { divisors(of: $0) }.reduce(0, +)
        }
        print(comparison)
        try expect("all backends have the same result", comparison.isComplete)
    }

    private static func divisors(of number: Int) -> Int { (1...number).count { number.isMultiple(of: $0) } }
}
