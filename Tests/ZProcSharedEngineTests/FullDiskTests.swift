// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import MessagePack
import Testing
import ZProcCore
import ZProcSharedEngine

/// A file system that is full makes updates fail, and nothing else.
///
/// Needs the right to mount one that is small.
@Suite(.timeLimit(.minutes(5)), .enabled(if: SmallDisk.canBeMade)) struct FullDiskTests {
    @Test(arguments: [nil, StateSync.none, .eachCommit])
    func updatesFailAndNothingElse(_ sync: StateSync?) async throws {
        try await SmallDisk.with(byteCount: 8 << 20) { directory in
            func open() throws -> SharedStore {
                try .create(at: "\(directory)/state", sync: sync, history: HistoryLimits(count: 10))
            }
            var store = try open()
            defer { store.close() }
            var engine = store.engine(for: "test")
            let value = [UInt8](repeating: 7, count: 10_000)
            var written = 0
            var failure: StateError?
            while failure == nil, written < 2_000 {
                let key = "\(written)"
                do {
                    try await engine.update(by: someone) { try $0.set(key, to: value) }
                    written += 1
                } catch let error as StateError {
                    failure = error
                }
            }
            #expect(failure?.code == .storageFull)
            #expect(failure?.description.contains("\n") == false)
            #expect(written > 200)
            // What was there is there.
            #expect(try engine.snapshot().count == written)
            #expect(try engine.snapshot().revision == Revision(UInt64(written)))
            if sync != nil {
                store.close()
                store = try open()
                engine = store.engine(for: "test")
                #expect(try engine.count() == written)
            }
            #expect(try engine.value(of: "0")?.decode([UInt8].self, for: "0") == value)
            // Failing again and again changes nothing.
            for _ in 0..<20 {
                await #expect(throws: StateError.self) {
                    try await engine.update(by: someone) { try $0.set("more", to: value) }
                }
            }
            #expect(try engine.count() == written)
            // Room for small things is left, so that large ones can be removed.
            for number in 0..<written {
                // As soon as nobody looks at what was there before.
                var tries = 0
                while true {
                    do {
                        try await engine.update(by: someone) { _ = $0.remove("\(number)") }
                        break
                    } catch let error as StateError where error.code == .storageFull && tries < 1_000 {
                        tries += 1
                        try await Task.sleep(for: .milliseconds(1))
                    }
                }
            }
            #expect(try engine.count() == 0)
            for number in 0..<2_000 {
                try await engine.update(by: someone) { try $0.set("\(number % 100)", to: "some text") }
            }
            #expect(try engine.count() == 100)
        }
    }
}

extension FullDiskTests {
    @Test(arguments: [StateSync.none, .periodic(.seconds(1)), .eachCommit])
    func aReadOnlyPlaceIsAnError(_ sync: StateSync) async throws {
        try await SmallDisk.with(byteCount: 8 << 20) { directory in
            let path = "\(directory)/state"
            func fill() async throws {
                let store = try SharedStore.create(at: path, sync: sync, history: HistoryLimits())
                try await store.engine(for: "test").update(by: someone) { $0["a"] = 1 }
                store.close()
            }
            try await fill()
            // Not before its threads have let go of what they had mapped.
            var tries = 0
            while (try? SmallDisk.makeReadOnly(directory)) == nil {
                tries += 1
                try #require(tries < 5_000)
                try await Task.sleep(for: .milliseconds(2))
            }
            for place in [path, "\(directory)/new"] {
                let error = #expect(throws: StateError.self) {
                    _ = try SharedStore.create(at: place, sync: sync, history: HistoryLimits())
                }
                #expect(error?.code == .storageUnusable)
                #expect(error?.message.contains(place) == true)
            }
            #expect(names(in: directory) == ["state", "state-lock"])
        }
    }
}

/// A small file system in memory.
enum SmallDisk {
    static let canBeMade = (try? make(byteCount: 1 << 20)).map(remove) != nil

    static func with(byteCount: Int, _ body: (String) async throws -> Void) async throws {
        let path = try make(byteCount: byteCount)
        defer { remove(path) }
        try await body(path)
    }

    private static func make(byteCount: Int) throws -> String {
        var template = Array("/tmp/zproc-disk-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw NoDirectory() }
        let path = template.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(byteCount)") == 0 else {
            rmdir(path)
            throw NoDirectory()
        }
        return path
    }

    static func makeReadOnly(_ path: String) throws {
        let flags = UInt(MS_REMOUNT) | UInt(MS_RDONLY)
        guard mount("tmpfs", path, "tmpfs", flags, nil) == 0 else { throw NoDirectory() }
    }

    private static func remove(_ path: String) {
        umount2(path, Int32(MNT_DETACH))
        rmdir(path)
    }
}
