// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing
import ZProcCore
import ZProcSharedEngine

@Suite(.timeLimit(.minutes(5))) struct StateStoreTests {
    /// Anybody may ask for any name.
    @Test(arguments: EngineKind.allCases)
    func namesThatAreOnlyAskedForAreForgotten(_ kind: EngineKind) async throws {
        try await kind.withStore { store in
            let held = store.engine(for: "held")
            try await store.engine(for: "written").update(by: someone) { $0["key"] = 1 }
            for number in 0..<20_000 { _ = try store.engine(for: "asked-\(number)").value(of: "key") }
            #expect(kept(by: store) <= EngineTable<MemoryEngine>.leastSweepCount)
            #expect(store.engine(for: "held") === held)
            try await held.update(by: someone) { $0["key"] = 2 }
            #expect(try store.engine(for: "held").value(of: "key")?.bytes == [2])
            #expect(try store.engine(for: "written").value(of: "key")?.bytes == [1])
            #expect(try store.namespaces() == ["held", "written"])
        }
    }

    /// A namespace that was dropped goes on where it was.
    @Test(arguments: EngineKind.allCases)
    func revisionsGoOnAfterADrop(_ kind: EngineKind) async throws {
        try await kind.withStore { store in
            try await store.engine(for: "dropped").update(by: someone) { $0["key"] = 1 }
            try await store.engine(for: "dropped").drop(by: someone, once: nil)
            for number in 0..<5_000 { _ = try store.engine(for: "asked-\(number)").count() }
            #expect(try store.engine(for: "dropped").span().newest == Revision(2))
        }
    }

    private func kept(by store: any StateStore) -> Int {
        (store as? MemoryStore)?.engineCount ?? (store as? SharedStore)?.engineCount ?? .max
    }
}
