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

    /// People see one name; files and other languages see two.
    @Test(arguments: EngineKind.allCases)
    func namesAreToldApartByTheirBytes(_ kind: EngineKind) async throws {
        try await kind.withStore { store in
            let names = ["caf\u{e9}", "cafe\u{301}"]
            for (number, name) in names.enumerated() {
                try await store.engine(for: name).update(by: someone) { $0["n"] = .int(Int64(number)) }
            }
            for (number, name) in names.enumerated() {
                #expect(try store.engine(for: name).snapshot().get("n") == number)
            }
            #expect(try store.namespaces().count == 2)
        }
    }

    /// A count of changes that is too great must not be believed when they are forgotten.
    @Test func damagedBlocksOfThePastAreErrors() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/state", limits = HistoryLimits(byteCount: 4_000)
            func update(_ store: SharedStore) async throws {
                let value = [UInt8](repeating: 1, count: 100)
                try await store.engine(for: "test").update(by: someone) { draft in
                    try draft.set("v", to: value + [UInt8(truncatingIfNeeded: draft.get("n", as: Int.self) ?? 0)])
                    try draft.increment("n")
                }
            }
            let store = try SharedStore.create(at: path, sync: .eachCommit, history: limits)
            for _ in 0..<12 { try await update(store) }
            store.close()
            do {
                let environment = try Environment(path: path)
                let transaction = try WriteTransaction(environment)
                let table = try environment.openDatabase(in: transaction)
                try transaction.withCursor(in: table) { cursor in
                    // The first block of a namespace's changes that has bytes enough for what it will say.
                    while let (key, value) = try cursor.next() {
                        guard key.count == 14, key[0] == 3, key[5] == 1, value.count >= 500 else { continue }
                        try cursor.change().storeBytes(of: 60, toByteOffset: 40, as: UInt32.self)
                        break
                    }
                }
                try transaction.commit()
            }
            let again = try SharedStore.create(at: path, sync: .eachCommit, history: limits)
            defer { again.close() }
            let error = await #expect(throws: StateError.self) { for _ in 0..<100 { try await update(again) } }
            #expect(error?.code == .storageDamaged)
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
