// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import MessagePack
import Testing
import ZProcCore
import ZProcSharedEngine

/// When the machine stops, any of the pages written since the last sync may be missing on the disk.
@Suite(.timeLimit(.minutes(5))) struct MachineCrashTests {
    private static let before = Array("a start of the machine".utf8)
    private static let after = Array("another start of the machine".utf8)
    private let seed = getenv("ZPROC_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 0...UInt64.max)

    @Test func aPeriodicallySyncedStateIsAsAtItsLastSync() async throws {
        print("machine crashes: seed \(seed)")
        var random = SplitMix64(state: seed)
        for round in 0..<20 {
            try await withDirectory { directory in
                let path = "\(directory)/state"
                let store = try Self.open(path, boot: Self.before)
                var model: [String: Value] = [:]
                try await Self.change(store, &model, .random(in: 0...300, using: &random), &random)
                try store.syncNow()
                let synced = try contents(path), syncPoint = try contents(path + "-synced")
                let revision = try store.engine(for: "test").span().newest
                var later = model
                try await Self.change(store, &later, .random(in: 1...1_000, using: &random), &random)
                let last = try contents(path)
                store.close()
                #expect(last.prefix(8_192) != synced.prefix(8_192))

                // Any page may be as it was at the sync, or as it was written last.
                var torn = last.prefix(Int.random(in: synced.count...max(synced.count, last.count), using: &random))
                for start in stride(from: 0, to: torn.count, by: 4_096) where Bool.random(using: &random) {
                    let end = min(start + 4_096, torn.count)
                    let old = start < synced.count ? Array(synced[start..<min(end, synced.count)]) : []
                    torn.replaceSubrange(start..<end, with: old + [UInt8](repeating: 0, count: end - start - old.count))
                }
                try write(Array(torn), to: path)
                try write(syncPoint, to: path + "-synced")

                let recovered = try Self.open(path, boot: Self.after)
                defer { recovered.close() }
                let engine = recovered.engine(for: "test")
                #expect(try engine.snapshot() == model, "seed \(seed), round \(round)")
                #expect(try engine.span().newest == revision)
                // The past is whole, and so is all that comes.
                #expect(try engine.records(after: .zero, limit: 10_000).count == Int(revision.number))
                try await Self.change(recovered, &model, 300, &random)
                #expect(try engine.snapshot() == model, "seed \(seed), round \(round)")
                #expect(try engine.snapshot(at: .zero).isEmpty)
            }
        }
    }

    @Test func processesMayDieWithoutASync() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/state"
            let store = try Self.open(path, boot: Self.before)
            try await store.engine(for: "test").update(by: someone) { $0["a"] = 1 }
            let image = try contents(path), syncPoint = try contents(path + "-synced")
            store.close()
            try write(image, to: path)
            try write(syncPoint, to: path + "-synced")
            // The machine has not stopped, so what was written last counts.
            let next = try Self.open(path, boot: Self.before)
            #expect(try next.engine(for: "test").snapshot() == ["a": 1])
            next.close()
        }
    }

    @Test func aStateThatWasNotSyncedIsNotTrusted() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/state"
            let store = try Self.open(path, .none, boot: Self.before)
            try await store.engine(for: "test").update(by: someone) { $0["a"] = 1 }
            let image = try contents(path), syncPoint = try contents(path + "-synced")
            store.close()
            #expect(names(in: directory) == ["state", "state-lock"])
            try write(image, to: path)
            try write(syncPoint, to: path + "-synced")
            for sync in [StateSync.none, .eachCommit, .periodic(.seconds(1))] {
                let error = #expect(throws: StateError.self) { _ = try Self.open(path, sync, boot: Self.after) }
                #expect(error?.code == .storageDamaged)
            }
            // Nothing was changed by the attempts.
            #expect(try contents(path) == image)
            let same = try Self.open(path, .none, boot: Self.before)
            #expect(try same.engine(for: "test").snapshot() == ["a": 1])
            same.close()
            // It was closed, so it is on the disk.
            let next = try Self.open(path, .none, boot: Self.after)
            #expect(try next.engine(for: "test").snapshot() == ["a": 1])
            next.close()
        }
    }

    @Test func aFileThatWasCutIsAnError() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/state"
            let store = try Self.open(path, boot: Self.before)
            var model: [String: Value] = [:], random = SplitMix64(state: seed)
            try await Self.change(store, &model, 100, &random)
            let syncPoint = try contents(path + "-synced")
            store.close()
            let whole = try contents(path)
            for length in [8_192, 12_288, whole.count - 4_096] {
                try write(Array(whole[..<length]), to: path)
                let error = #expect(throws: StateError.self) { _ = try Self.open(path, boot: Self.after) }
                #expect(error?.code == .storageDamaged)
            }
            // A sync point does not lead back to another file than its own.
            unlink(path)
            try write(syncPoint, to: path + "-synced")
            let gone = #expect(throws: StateError.self) { _ = try Self.open(path, boot: Self.after) }
            #expect(gone?.code == .storageDamaged)
            try write(whole, to: path + ".copy")
            rename(path + ".copy", path)
            let other = #expect(throws: StateError.self) { _ = try Self.open(path, boot: Self.after) }
            #expect(other?.code == .storageDamaged)
            unlink(path + "-synced")
            let copy = try Self.open(path, boot: Self.after)
            #expect(try copy.engine(for: "test").snapshot() == model)
            copy.close()
        }
    }

    /// A sync that is under way when the state is closed must not come after it.
    @Test func closingAfterASyncHasBegunKeepsWhatCameLast() async throws {
        for _ in 0..<20 {
            try await withDirectory { directory in
                let path = "\(directory)/state"
                let store = try Self.open(path, .periodic(.milliseconds(1)), boot: Self.before)
                let engine = store.engine(for: "test")
                for number in 0..<200 { try await engine.update(by: someone) { try $0.set("n", to: number) } }
                store.close()
                #expect(names(in: directory) == ["state", "state-lock"])
                let next = try Self.open(path, boot: Self.after)
                #expect(try next.engine(for: "test").snapshot() == ["n": 199])
                next.close()
            }
        }
    }

    @Test func aDamagedSyncPointIsAnError() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/state"
            for damage in [[], [1, 2, 3], Array("zproc sync 1\n\u{24}".utf8), [UInt8](repeating: 0xff, count: 9_000)] {
                try write(damage, to: path + "-synced")
                let error = #expect(throws: StateError.self) { _ = try Self.open(path, boot: Self.after) }
                #expect(error?.code == .storageDamaged)
                #expect(error?.message.contains("\(path)-synced") == true)
            }
        }
    }

    /// A number that is closed twice may be somebody else's the second time.
    @Test func aFileInUseCostsNobodyADescriptor() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/state"
            let store = try Self.open(path, boot: Self.before)
            defer { store.close() }
            let others = Task.detached {
                var lost = 0
                while !Task.isCancelled {
                    let descriptor = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
                    for _ in 0..<50 where fcntl(descriptor, F_GETFD) == -1 { lost += 1 }
                    close(descriptor)
                }
                return lost
            }
            for _ in 0..<20_000 {
                let error = #expect(throws: StateError.self) { _ = try Self.open(path, boot: Self.before) }
                if error?.code != .storageInUse { break }
            }
            others.cancel()
            #expect(await others.value == 0)
        }
    }

    private static func open(
        _ path: String,
        _ sync: StateSync = .periodic(.seconds(Int64.max)),
        boot: [UInt8]
    ) throws -> SharedStore {
        try .create(at: path, sync: sync, history: HistoryLimits(), boot: boot)
    }

    private static func change(
        _ store: SharedStore,
        _ model: inout [String: Value],
        _ count: Int,
        _ random: inout SplitMix64
    ) async throws {
        let engine = store.engine(for: "test")
        for _ in 0..<count {
            let key = "\(Int.random(in: 0..<40, using: &random))"
            if Int.random(in: 0..<4, using: &random) == 0 {
                model[key] = nil
                try await engine.update(by: someone) { draft in _ = draft.remove(key) }
            } else {
                let size = [3, 300, 9_000][Int.random(in: 0..<3, using: &random)]
                let value = Value.binary([UInt8](repeating: .random(in: 0...255, using: &random), count: size))
                model[key] = value
                try await engine.update(by: someone) { $0[key] = value }
            }
        }
    }
}

private func contents(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "r") else { throw NoDirectory() }
    defer { fclose(file) }
    var status = stat()
    fstat(fileno(file), &status)
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    let count = fread(&bytes, 1, bytes.count, file)
    return Array(bytes[..<count])
}

private func write(_ bytes: [UInt8], to path: String) throws {
    guard let file = fopen(path, "w") else { throw NoDirectory() }
    defer { fclose(file) }
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw NoDirectory() }
}
