// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import ZProcCore
import ZProcSharedEngine

@Suite(.timeLimit(.minutes(1))) struct MonitorExecutorTests {
    /// A task goes on on the thread that tells of commits, and does not keep it, however long it goes on.
    @Test func aTaskThatGoesOnDoesNotKeepTheThread() async throws {
        // Often enough that it waits for the commit when that comes.
        for _ in 0..<100 {
            let executor = MonitorExecutor(), committed = Promise<Void>()
            let hasGoneOn = Flag(), mayEnd = Flag()
            let task = Task(executorPreference: executor) {
                try await committed.value()
                hasGoneOn.raise()
                while !mayEnd.isRaised { await Task.yield() }
            }
            await Task.yield()
            await withUnsafeContinuation { continuation in
                startThread(for: "to tell of a commit") {
                    executor.run { committed.settle() }
                    continuation.resume()
                }
            }
            mayEnd.raise()
            try await task.value
            #expect(hasGoneOn.isRaised)
        }
    }
}
