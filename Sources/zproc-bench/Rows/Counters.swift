// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Distributed
import ZProc

/// What is called where calls are measured.
distributed actor Counter {
    typealias ActorSystem = ZProcSystem

    private var count = 0

    distributed func increment(by number: Int) -> Int {
        count += number
        return count
    }
}

/// The same as Swift has it: the reference for everything that stays in one process.
actor PlainCounter {
    static let latencyName = "bare actor call"
    static let throughputName = "bare actor, 1,000 tasks"
    /// Calls that are timed together; they take well under a microsecond.
    static let batch = 64

    private var count = 0

    func increment(by number: Int) -> Int {
        count += number
        return count
    }

    nonisolated func latency(for span: Nanoseconds) async -> Samples {
        await sample(for: span, batch: Self.batch) { calls in
            for _ in 0..<calls { _ = await self.increment(by: 1) }
        }
    }

    nonisolated func throughput(for span: Nanoseconds) async throws -> Samples {
        try await sampleRate(for: span, tasks: Echo.inFlight, batch: 16) { calls in
            for _ in 0..<calls { _ = await self.increment(by: 1) }
        }
    }
}
