// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// One number that all increment.
struct Counter: Workload {
    let size: Int, workers: Int

    func loop() -> Int {
        var counts = ["count": 0]
        for _ in 0..<size { counts["count", default: 0] += 1 }
        return counts["count", default: 0]
    }

    func run(in context: Context) async throws -> Int {
        let state = context.state, size = size, workers = workers
        _ = try await context.spawnMap(0..<workers) { worker in
            for _ in stride(from: worker, to: size, by: workers) {
                try await state.update { $0["count", default: 0] += 1 }
            }
        }.values
        return try await state.get("count", default: 0)
    }
}
