// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference

/// A span of time in nanoseconds of the monotonic clock.
typealias Nanoseconds = UInt64

/// Times `body` again and again for `span`, and records the time of one operation.
///
/// - Parameters:
///   - span: How long to go on.
///   - batch: How many operations are timed together: reading the clock costs as much as a cheap operation.
///   - items: How many things an operation does, where the figure is about one of them.
///   - body: Performs as many operations as it is told.
/// - Returns: A sample for each batch.
func sample(
    for span: Nanoseconds,
    batch: Int = 1,
    items: Int = 1,
    _ body: (Int) async throws -> Void
) async rethrows -> Samples {
    var samples = Samples()
    let divisor = Double(batch * items)
    var before = cbr_now()
    let end = before + span
    repeat {
        try await body(batch)
        let after = cbr_now()
        samples.record(Double(after - before) / divisor)
        before = after
    } while before < end
    return samples
}

/// Performs operations on `tasks` tasks at once for `span`, and records how many were done in a second.
///
/// - Parameters:
///   - span: How long to go on.
///   - tasks: How many tasks there are.
///   - batch: How many operations a task performs between two looks at the clock.
///   - body: Performs as many operations as it is told.
/// - Returns: One sample.
/// - Throws: What `body` throws.
func sampleRate(
    for span: Nanoseconds,
    tasks: Int,
    batch: Int = 1,
    _ body: @escaping @concurrent @Sendable (Int) async throws -> Void
) async throws -> Samples {
    let start = cbr_now()
    let end = start + span
    let count = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<tasks {
            group.addTask {
                var count = 0
                repeat {
                    try await body(batch)
                    count += batch
                } while cbr_now() < end
                return count
            }
        }
        return try await group.reduce(0, +)
    }
    var samples = Samples()
    samples.record(Double(count) * 1e9 / Double(cbr_now() - start))
    return samples
}
