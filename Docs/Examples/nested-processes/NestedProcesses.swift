// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import Glibc
import ZProc

/// Sorts by spawning: each process splits its numbers and has two more sort the halves, until there are few.
@main struct NestedProcesses {
    static func main() async throws {
        try await withContext(Backend.chosen) { context in
            var numbers = Array(1...1_000)
            numbers.shuffle()
            let sorted = try await context.spawn(numbers) { try await sort($0, context) }.value
            try expect("sorted", sorted == Array(1...1_000))
            // Everybody has left a note in the one state that all share.
            let sorters = try await context.state.get("sorters", default: [Int]())
            print("\(sorters.count) bodies in \(Set(sorters).count) processes")
            try expect("bodies", sorters.count, 15)
            try expect("processes", Set(sorters).count, context.backend == .processes ? 15 : 1)
        }
    }
}

private func sort(_ numbers: [Int], _ context: Context) async throws -> [Int] {
    try await context.state.append(Int(getpid()), to: "sorters")
    guard numbers.count > 200 else { return numbers.sorted() }
    let middle = numbers.count / 2
    let halves = [Array(numbers[..<middle]), Array(numbers[middle...])]
    let sorted = try await context.spawnMap(halves) { try await sort($0, context) }.values
    return merge(sorted[0], sorted[1])
}

private func merge(_ left: [Int], _ right: [Int]) -> [Int] {
    var merged: [Int] = [], left = left[...], right = right[...]
    while let first = left.first, let second = right.first {
        merged.append(first <= second ? left.removeFirst() : right.removeFirst())
    }
    return merged + left + right
}
