// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProcCore
import ZProcSharedEngine

@Suite(.timeLimit(.minutes(2))) struct StoreMonitorTests {
    /// After commits that concerned nobody the thread sleeps through further ones; an observer has it back at once.
    @Test func anObserverIsToldHoweverLongNobodyWas() async throws {
        try await EngineKind.shared.withEngine { engine in
            for round in 0..<100 {
                // So many that the thread sleeps deeply, is about to, or does not yet.
                for number in 0..<(round * 7 % 100) { try await commit(number, to: engine) }
                let told = Promise<Void>()
                let observation = engine.observe { told.settle() }
                try await commit(round, to: engine)
                try await told.value()
                observation.cancel()
            }
        }
    }

    /// The same for several that come and go while others commit.
    @Test func observersAreToldWhileOthersCommit() async throws {
        try await EngineKind.shared.withEngine { engine in
            try await withThrowingTaskGroup(of: Void.self) { group in
                let isOver = Flag()
                group.addTask { while !isOver.isRaised { try await commit(.random(in: 0...9), to: engine) } }
                for _ in 0..<50 {
                    let told = Promise<Void>()
                    let observation = engine.observe { told.settle() }
                    try await told.value()
                    observation.cancel()
                    for _ in 0..<20 { await Task.yield() }
                }
                isOver.raise()
                try await group.waitForAll()
            }
        }
    }

    private func commit(_ number: Int, to engine: any StateEngine) async throws {
        try await engine.update(by: someone) { try $0.set("key", to: number) }
    }
}
