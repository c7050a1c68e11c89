// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProcCore
import ZProcSharedEngine

@Suite(.timeLimit(.minutes(1))) struct StoreMonitorTests {
    /// After commits that concerned nobody the thread sleeps through further ones; an observer has it back at once.
    @Test func anObserverIsToldHoweverLongNobodyWas() async throws {
        try await withStore { store, engine in
            engine.observe {}.cancel()
            for round in 0..<20 {
                while !store.sleepsThroughCommits { try await commit(round, to: engine) }
                // Those that come now wake it no more.
                for _ in 0..<20 { try await commit(round, to: engine) }
                #expect(store.sleepsThroughCommits)
                let told = Promise<Void>()
                let observation = engine.observe { told.settle() }
                try await commit(round, to: engine)
                try await told.value()
                observation.cancel()
            }
        }
    }

    /// The same when others commit all the time, so that the thread may be at any point when it is wanted.
    @Test func observersAreToldWhileOthersCommit() async throws {
        try await withStore { store, engine in
            try await withThrowingTaskGroup(of: Void.self) { group in
                let isOver = Flag()
                defer { isOver.raise() }
                group.addTask { while !isOver.isRaised { try await commit(.random(in: 0...9), to: engine) } }
                for round in 0..<200 {
                    let told = Promise<Void>()
                    let observation = engine.observe { told.settle() }
                    try await told.value()
                    observation.cancel()
                    // Every other time it sleeps deeply, otherwise it may be about to.
                    while round % 2 == 0, !store.sleepsThroughCommits { await Task.yield() }
                }
                isOver.raise()
                try await group.waitForAll()
            }
        }
    }

    /// A snapshot that is held has the thread back, too: it keeps pages of the file from being used again.
    @Test func aSnapshotWakesTheThread() async throws {
        try await withStore { store, engine in
            engine.observe {}.cancel()
            while !store.sleepsThroughCommits { try await commit(1, to: engine) }
            let snapshot = try engine.snapshot()
            #expect(!store.sleepsThroughCommits)
            try await commit(2, to: engine)
            #expect(try snapshot.get("key", as: Int.self) == 1)
        }
    }

    private func withStore(_ body: (SharedStore, any StateEngine) async throws -> Void) async throws {
        try await withDirectory { directory in
            let store = try SharedStore.create(at: "\(directory)/state", sync: nil, history: HistoryLimits())
            defer { store.close() }
            try await body(store, store.engine(for: "test"))
        }
    }

    /// Lets others run as well, who may have no other thread.
    private func commit(_ number: Int, to engine: any StateEngine) async throws {
        try await engine.update(by: someone) { try $0.set("key", to: number) }
        await Task.yield()
    }
}
