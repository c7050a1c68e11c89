// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

@Suite(.tags(.state, .fault), .timeLimit(.minutes(5))) struct PersistenceTests {
    private static let syncs: [StateSync] = [.eachCommit, .periodic(.milliseconds(10)), .none]

    @Test(arguments: syncs)
    func aFileKeepsStateHistoryAndRevisions(_ sync: StateSync) async throws {
        try await withTemporaryDirectory { directory in
            let options = StateOptions(persistence: .file("\(directory)/bakery.state", sync: sync))
            var revision = Revision.zero
            try await withContext(.processes, state: options) { context in
                let state = context.state
                try await state.set("n", to: 1)
                try await context.spawn { try await state.set("n", to: 2) }.value
                try await context.state(namespace: "other").set("x", to: "y")
                revision = try await state.snapshot().revision
            }
            #expect(files(in: directory).contains("bakery.state"))
            try await withContext(.threads, state: options) { context in
                let state = context.state
                #expect(try await state.snapshot() == ["n": 2])
                #expect(try await state.snapshot().revision == revision)
                #expect(try await state.history(of: "n").map(\.value) == [1, 2])
                #expect(try await context.namespaces() == ["default", "other"])
                try await state.restore(to: Revision(1))
                #expect(try await state.get("n", as: Int.self) == 1)
            }
        }
    }

    @Test(arguments: syncs)
    func whatWasCommittedSurvivesAKillOfAllProcesses(_ sync: StateSync) async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/state"
            // A context inside a spawned process, so that a whole root can be killed.
            try await withContext(.processes) { context in
                let outside = context.state
                let root = try await context.spawn(path) { path in
                    let options = StateOptions(persistence: .file(path, sync: sync))
                    try await withContext(.processes, state: options) { inner in
                        let state = inner.state
                        for _ in 0..<2 {
                            try await inner.spawn {
                                try await outside.append(Int(getpid()), to: "writers")
                                while true {
                                    let number = try await state.increment("n")
                                    try await outside.update { draft in
                                        draft["acknowledged", default: 0] = max(
                                            number,
                                            draft["acknowledged", default: 0]
                                        )
                                    }
                                }
                            }
                        }
                        _ = try await state.firstAvailable("never")
                    }
                }
                let isBusy: Snapshots.Condition = {
                    $0["acknowledged", default: 0] > 200 && $0["writers", default: [Int]()].count == 2
                }
                for try await _ in outside.when(mode: .live, count: 1, isBusy) {}
                try root.signal(SIGKILL)
                await #expect(throws: ProcessTermination.self) { try await root.value }
                // Its children are ending, too; then nobody is left to add anything.
                let writers = try await outside.get("writers", default: [Int]())
                try await eventually { !writers.contains(where: isAlive) }
                let acknowledged = try await outside.get("acknowledged", default: 0)
                try await eventually {
                    do {
                        try await withContext(.threads, state: .init(persistence: .file(path, sync: sync))) {
                            reopened in
                            let state = reopened.state
                            let number = try await state.get("n", default: 0)
                            // At most the two that were killed between a commit and telling of it.
                            #expect((acknowledged...acknowledged + 2).contains(number))
                            #expect(try await state.snapshot().revision == Revision(UInt64(number)))
                        }
                        return true
                    } catch let error as StateError where error.code == .storageInUse {
                        // The killed process's own children are ending.
                        return false
                    }
                }
            }
        }
    }

    @Test func oneContextHasAFileAtATime() async throws {
        try await withTemporaryDirectory { directory in
            let options = StateOptions(persistence: .file("\(directory)/state", sync: .none))
            try await withContext(.processes, state: options) { context in
                try await context.state.set("n", to: 1)
                let error = #expect(throws: StateError.self) { _ = try Context(.processes, state: options) }
                #expect(error?.code == .storageInUse)
                #expect(error?.message.contains("\(directory)/state") == true)
                #expect(try await context.state.get("n", as: Int.self) == 1)
            }
            let count = try await withContext(.threads, state: options) { try await $0.state.count() }
            #expect(count == 1)
        }
    }

    @Test(arguments: [false, true])
    func withLittleAddressSpaceTheStateHoldsLess(_ isKept: Bool) async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/state"
            try await withContext(.processes, state: .init(engine: .memory)) { context in
                let count = try await context.spawn(path, isKept) { path, isKept in
                    var limit = rlimit(rlim_cur: 20 << 30, rlim_max: 20 << 30)
                    guard setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { return -1 }
                    let options = StateOptions(
                        engine: .shared,
                        persistence: isKept ? .file(path, sync: .none) : .none
                    )
                    return try await withContext(.threads, state: options) { inner in
                        for number in 0..<100 { try await inner.state.set("key \(number)", to: number) }
                        return try await inner.state.count()
                    }
                }.value
                #expect(count == 100)
            }
            guard isKept else { return }
            let options = StateOptions(persistence: .file(path, sync: .none))
            let count = try await withContext(.threads, state: options) { try await $0.state.count() }
            #expect(count == 100)
        }
    }

    @Test func foreignAndDamagedFilesAreErrorsAndStayAsTheyAre() async throws {
        try await withTemporaryDirectory { directory in
            let text = "\(directory)/letter.txt", content = String(repeating: "Dear reader, ", count: 2_000)
            try write(content, to: text)
            let foreign = #expect(throws: StateError.self) {
                _ = try Context(.threads, state: .init(persistence: .file(text, sync: .none)))
            }
            #expect(foreign?.code == .storageDamaged)
            let after = try read(text)
            #expect(after.count == content.count && after == content)
            #expect(files(in: directory) == ["letter.txt"])
        }
    }

    @Test func placesThatCannotBeUsedAreErrors() async throws {
        for path in ["/nowhere/at/all/state", "/proc/state", "/", ""] {
            let error = #expect(throws: StateError.self) {
                _ = try Context(.threads, state: .init(persistence: .file(path, sync: .none)))
            }
            #expect([.storageUnusable, .storageDamaged].contains(error?.code))
            #expect(error?.description.contains("\n") == false)
        }
    }

    @Test func theStateOfAProgramThatWasKilledIsSweptByTheNext() async throws {
        try await withContext(.processes) { context in
            let outside = context.state
            let root = try await context.spawn {
                try await withContext(.processes) { inner in
                    let state = inner.state
                    try await state.set("n", to: 1)
                    // A child of it has the state open, too.
                    try await inner.spawn { try await state.set("m", to: 1) }.value
                    try await outside.set("file", to: stateFiles())
                    _ = try await state.firstAvailable("never")
                }
            }
            let files = try await outside.firstAvailable("file").get("file", default: [String]())
            #expect(!files.isEmpty)
            try root.signal(SIGKILL)
            _ = try? await root.value
            try await withContext(.processes) { try await $0.state.set("n", to: 1) }
            for file in files { #expect(access(file, F_OK) != 0, "\(file) is still there") }
        }
    }
}

/// The files of states in memory that this process has mapped.
private func stateFiles() -> [String] {
    guard let file = fopen("/proc/self/maps", "r") else { return [] }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 4096), found: Set<String> = []
    while fgets(&line, Int32(line.count), file) != nil {
        let text = line.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 && $0 != 10 }, as: UTF8.self) }
        if let start = text.firstIndex(of: "/"), text.hasSuffix("/state") { found.insert(String(text[start...])) }
    }
    // The outer context's state is open here, too; the newest is this process's own.
    return found.filter { $0.contains("zproc-") }.sorted { modified($0) > modified($1) }.prefix(1).map { $0 }
}

private func modified(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_ctim.tv_sec) * 1_000_000_000 + Int(status.st_ctim.tv_nsec) : 0
}
