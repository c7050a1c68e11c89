// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import LMDB
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

    /// Forgotten changes are removed many at a time, but not when they are large.
    @Test func largeChangesOfThePastTakeNoRoom() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/state", size = 50_000
            let store = try SharedStore.create(at: path, sync: nil, history: HistoryLimits(count: 2, byteCount: nil))
            defer { store.close() }
            let engine = store.engine(for: "test")
            for number in 0..<60 {
                let value = [UInt8](repeating: UInt8(number), count: size)
                try await engine.update(by: someone) { try $0.set("v", to: value) }
            }
            #expect(try engine.span().oldest == Revision(58))
            // The file grows by MiBs. If sixty changes were kept, they would take twice as much, as each has two values.
            #expect(fileSize(path) < 80 * size)
        }
    }

    @Test func filesOfOtherVersionsAndProgramsAreErrors() async throws {
        try await withDirectory { directory in
            for (table, message) in [("format", "another version of this library"), ("songs", "another program")] {
                let path = "\(directory)/\(table)"
                do {
                    let environment = try Environment(path: path)
                    let transaction = try WriteTransaction(environment)
                    _ = try environment.openDatabase(table, in: transaction)
                    try transaction.commit()
                }
                let error = #expect(throws: StateError.self) {
                    _ = try SharedStore.create(at: path, sync: .eachCommit, history: HistoryLimits())
                }
                #expect(error?.code == .storageDamaged)
                #expect(error?.message.contains(message) == true)
            }
        }
    }

    @Test func filesOfEarlierVersionsAreErrors() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/state"
            try SharedStore.create(at: path, sync: .eachCommit, history: HistoryLimits()).close()
            do {
                let environment = try Environment(path: path)
                let transaction = try WriteTransaction(environment)
                let table = try environment.openDatabase(in: transaction)
                try withUnsafeBytes(of: UInt8(0)) { key in
                    try Array("zproc state 2".utf8).withUnsafeBytes { try transaction.put($0, for: key, in: table) }
                }
                try transaction.commit()
            }
            let error = #expect(throws: StateError.self) {
                _ = try SharedStore.create(at: path, sync: .eachCommit, history: HistoryLimits())
            }
            #expect(error?.message.contains("another version of this library") == true)
        }
    }

    private func kept(by store: any StateStore) -> Int {
        (store as? MemoryStore)?.engineCount ?? (store as? SharedStore)?.engineCount ?? .max
    }
}
