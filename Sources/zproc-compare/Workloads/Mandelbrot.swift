// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// A picture whose rows have nothing to do with each other.
struct Mandelbrot: Workload {
    let size: Int, workers: Int

    func loop() -> Int { (0..<size).reduce(0) { $0 + Self.row($1, of: size) } }

    func run(in context: Context) async throws -> Int {
        let swarm = try context.swarm(workers: workers), size = size
        return try await swarm.map(0..<size) { Self.row($0, of: size) }.reduce(0, +)
    }

    /// How many steps the pixels of a row take to leave, 200 for those that stay.
    private static func row(_ row: Int, of size: Int) -> Int {
        var sum = 0
        let cy = -1.25 + (2.5 * (Double(row) + 0.5)) / Double(size)
        for column in 0..<size {
            let cx = -2.0 + (2.5 * (Double(column) + 0.5)) / Double(size)
            var x = 0.0, y = 0.0, steps = 0
            while steps < 200, x * x + y * y <= 4 {
                (x, y) = (x * x - y * y + cx, 2 * x * y + cy)
                steps += 1
            }
            sum += steps
        }
        return sum
    }
}
